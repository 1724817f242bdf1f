//! `nines dlt`: sees to dead letters, the events that a consumer could not apply. They lie at the broker, each topic's
//! in a topic beside it.

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

/// See to dead letters: events that a consumer could not apply.
#[derive(Debug, Args)]
pub struct Dlt {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the latest dead letters that the broker has, oldest first.
    ///
    /// A letter stays until its retention ends (28 days by default), also after it was published again: nothing at the
    /// broker says which were.
    List(List),
    /// Show everything about one letter.
    Show(Show),
    /// Publish letters again to the topic that they came from, as they were.
    ///
    /// That is safe: a consumer drops an event that it has applied. Each comes behind what was published since. What
    /// still can't be applied becomes a dead letter again. Exits with 1 when a letter was not published.
    Replay(ReplayLetters),
}

impl Dlt {
    /// Runs the command and prints what it found or did.
    ///
    /// # Errors
    /// When no stack runs, the broker can't be reached within 10 s, or it does not have the topic or the letter.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::List(list) => list.run().await,
            Action::Show(show) => show.run().await,
            Action::Replay(replay) => replay.run().await,
        }
    }
}
