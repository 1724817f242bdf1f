//! `nines events`: republishes events from the outboxes of the services that wrote them.

mod moment;
mod publisher;
mod replay;
mod report;

use std::process::ExitCode;

use anyhow::ensure;
use clap::{Args, Subcommand};
use cli::dial::Identity;
use cli::{StackFolder, terminal};
use jiff::{SignedDuration, Timestamp};

use publisher::Choice;

pub use publisher::{Publisher, Service};
pub use replay::{TimeRange, replay};
pub use report::{Replayed, Report};

/// The longest range that is replayed; outboxes keep events for 7 days by default.
const LONGEST_RANGE: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Republish events that the services have published before.
#[derive(Debug, Args)]
pub struct Events {
    #[command(subcommand)]
    action: EventsAction,
}

#[derive(Debug, Subcommand)]
enum EventsAction {
    /// Republish the events of a time range that the outboxes still keep.
    ///
    /// This is safe: a consumer skips the events that it has applied, as long as its inbox keeps them (35 days by
    /// default, longer than the 7 days of outboxes). They are delivered after everything that was published since.
    /// Exits with 1 when a service did not answer completely; running it again is safe.
    Replay(ReplayEvents),
}

#[derive(Debug, Args)]
struct ReplayEvents {
    /// The start of the range: 2026-01-31T12:00:00Z, or how long ago: -15m, -2h, -3d.
    #[arg(long, value_name = "TIME", value_parser = moment::parse, allow_hyphen_values = true)]
    from: Timestamp,
    /// The end of the range, exclusive, in the same forms; at most 366 days later.
    #[arg(long, value_name = "TIME", value_parser = moment::parse, allow_hyphen_values = true)]
    to: Timestamp,
    /// Only this service: order, inventory or payment, with its gRPC address unless it is on the local stack, such as
    /// order=http://10.0.0.7:7003. May be repeated; by default all three of the local stack.
    #[arg(long = "service", value_name = "NAME[=URL]")]
    services: Vec<Choice>,
    /// Only list what would be republished.
    #[arg(long)]
    dry_run: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    folder: StackFolder,
}

impl Events {
    /// Runs the command and prints its report.
    ///
    /// # Errors
    /// When the range is not valid or no stack runs. A service that does not answer is in the report, and the exit code
    /// is then 1.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let EventsAction::Replay(replay) = self.action;
        replay.run().await
    }
}

impl ReplayEvents {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { from, to, services, dry_run, json, identity, folder } = self;
        ensure!(from < to, "the range is empty: it begins at {from} and ends at {to}");
        ensure!(to.duration_since(from) <= LONGEST_RANGE, "the range is longer than 366 days");
        let publishers = publisher::resolve(&services, || folder.running())?;
        let tls = identity.read().await?;
        let report = {
            let _replaying = terminal::spinner("replaying events");
            replay(&publishers, TimeRange { from, to }, dry_run, tls.as_ref()).await
        };
        terminal::print(&report, json)?;
        Ok(if report.all_answered() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
