//! The commands, one a file; those that need no stack of their own are in the library.

mod alerts;
mod bench;
mod detach;
mod down;
mod drill;
mod logs;
mod ps;
mod up;
mod with_stack;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use nines::Place;
use nines::alerts::Alerts;
use nines::bench::Bench;
use nines::dlt::Dlt;
use nines::drill::Drill;
use nines::events::Events;
use nines::import::Import;
use nines::replay::Replay;
use nines::slo::Slo;
use nines::verify::Verify;

/// The command-line tool of Fournines.
#[derive(Debug, Parser)]
#[command(name = "nines", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a local stack: MongoDB, the broker and every service.
    Up(up::Up),
    /// Stop a local stack.
    Down(down::Down),
    /// List the processes of a local stack.
    Ps(ps::Ps),
    /// Show the logs of a local stack.
    Logs(logs::Logs),
    /// Run a command beside a replica set and a broker of its own, for tests.
    WithStack(with_stack::WithStack),
    /// Load a catalogue with its first stock.
    Import(Import),
    /// Send real baskets as orders over REST, in time order.
    Replay(Replay),
    /// Check the books from the database alone.
    Verify(Verify),
    /// Publish events again that the services have published before.
    Events(Events),
    /// See to dead letters: events that a consumer could not apply.
    Dlt(Dlt),
    /// Service level objectives: their rules for Prometheus, and their error budgets.
    Slo(Slo),
    /// Hand on what Alertmanager tells.
    Alerts(Alerts),
    /// Measure how fast orders are taken, on a stack of the benchmark's own.
    Bench(Bench),
    /// Break a platform of the drill's own while shoppers use it, and show what they notice.
    Drill(Drill),
}

impl Cli {
    /// Runs the command and gives the exit code.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Up(up) => up.run().await,
            Command::Down(down) => down.run().await,
            Command::Ps(ps) => ps.run().await,
            Command::Logs(logs) => logs.run().await,
            Command::WithStack(with_stack) => with_stack.run().await,
            Command::Import(import) => import.run().await,
            Command::Replay(replay) => replay.run().await,
            Command::Verify(verify) => verify.run().await,
            Command::Events(events) => events.run().await,
            Command::Dlt(dlt) => dlt.run().await,
            Command::Slo(slo) => slo.run().await,
            Command::Alerts(alerts) => alerts::run(alerts).await,
            Command::Bench(bench) => bench::run(bench).await,
            Command::Drill(drill) => drill::run(drill).await,
        }
    }
}
