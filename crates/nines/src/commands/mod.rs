//! The commands, one per file; those that need no stack of their own are in the library.

mod alerts;
mod down;
mod logs;
mod ps;
mod up;
mod with_stack;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use nines::alerts::Alerts;
use nines::dlt::Dlt;
use nines::events::Events;
use nines::slo::Slo;
use nines::verify::Verify;

/// The operator's tool of Fournines.
#[derive(Debug, Parser)]
#[command(name = "nines", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a local stack: MongoDB, the broker and every service.
    Up(up::UpOptions),
    /// Stop a local stack.
    Down(down::Down),
    /// List the processes of a local stack.
    Ps(ps::Ps),
    /// Show the logs of a local stack.
    Logs(logs::Logs),
    /// Run a command, such as tests, beside a replica set and a broker of its own.
    WithStack(with_stack::WithStack),
    /// Check the books from the database alone.
    Verify(Verify),
    /// Republish events that the services have published before.
    Events(Events),
    /// List, show and republish dead letters: events that a consumer could not apply.
    Dlt(Dlt),
    /// Service level objectives: their rules for Prometheus, and their error budgets.
    Slo(Slo),
    /// Forward alerts from Alertmanager.
    Alerts(Alerts),
}

impl Cli {
    /// Runs the command and gives the exit code.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Up(options) => up::run(options).await,
            Command::Down(down) => down.run().await,
            Command::Ps(ps) => ps.run().await,
            Command::Logs(logs) => logs.run().await,
            Command::WithStack(with_stack) => with_stack.run().await,
            Command::Verify(verify) => verify.run().await,
            Command::Events(events) => events.run().await,
            Command::Dlt(dlt) => dlt.run().await,
            Command::Slo(slo) => slo.run().await,
            Command::Alerts(alerts) => alerts::run(alerts).await,
        }
    }
}
