//! `nines dlt`: lists, shows and republishes dead letters, the events that a consumer could not apply. Each topic has a
//! dead-letter topic beside it on the broker.

mod broker;
mod handle;
mod list;
mod replay;
mod show;
mod text;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use list::List;
use replay::ReplayLetters;
use show::Show;

/// List, show and republish dead letters: events that a consumer could not apply.
#[derive(Debug, Args)]
pub struct Dlt {
    #[command(subcommand)]
    action: DltAction,
}

#[derive(Debug, Subcommand)]
enum DltAction {
    /// List the latest dead letters, oldest first.
    ///
    /// A letter is kept until its retention ends (28 days by default), even after it was published again; the broker
    /// does not record which were.
    List(List),
    /// Show one letter with its headers and payload.
    Show(Show),
    /// Publish letters again, unchanged, to the topics that they came from.
    ///
    /// This is safe: a consumer skips an event that it has applied. Letters are delivered after everything that was
    /// published since. An event that still can't be applied becomes a dead letter again. Exits with 1 when a letter
    /// was not published.
    Replay(ReplayLetters),
}

impl Dlt {
    /// Runs the command and prints its result.
    ///
    /// # Errors
    /// When no stack runs, the broker can't be reached within 10 s, or it does not have the topic or the letter.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.action {
            DltAction::List(list) => list.run().await,
            DltAction::Show(show) => show.run().await,
            DltAction::Replay(replay) => replay.run().await,
        }
    }
}
