//! `nines events`: publishes events again from the outboxes of the services that wrote them.

mod moment;
mod publisher;
mod replay;
mod report;

use std::process::ExitCode;

use anyhow::ensure;
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};

use crate::dial::Identity;
use crate::{Place, terminal};
use publisher::Choice;

pub use publisher::{Publisher, Service};
pub use replay::{Span, replay};
pub use report::{Replayed, Report};

/// The longest span that is replayed; outboxes keep events for 7 days by default.
const LONGEST_SPAN: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Publish events again that the services have published before.
#[derive(Debug, Args)]
pub struct Events {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Publish again what the outboxes keep of a span of time.
    ///
    /// That is safe: a consumer drops the events that it has applied, as long as it remembers them (35 days by default,
    /// longer than outboxes keep them, 7 days). They come behind what was published since. Exits with 1 when a service
    /// could not be asked to the end; it is safe to run it again.
    Replay(ReplayEvents),
}

#[derive(Debug, Args)]
struct ReplayEvents {
    /// When the first of the events happened: 2026-01-31T12:00:00Z, or how long ago: -15m, -2h, -3d.
    #[arg(long, value_name = "TIME", value_parser = moment::parse, allow_hyphen_values = true)]
    from: Timestamp,
    /// The end of the span, in the same forms; events of that very moment are not in it. At most 366 days later.
    #[arg(long, value_name = "TIME", value_parser = moment::parse, allow_hyphen_values = true)]
    to: Timestamp,
    /// Only this service, order, inventory or payment, with its gRPC address when it is not of the local stack:
    /// order=http://10.0.0.7:7003. May be given several times; all three of the local stack by default.
    #[arg(long = "service", value_name = "NAME[=URL]")]
    services: Vec<Choice>,
    /// Only say what would be published again.
    #[arg(long)]
    dry_run: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    place: Place,
}

impl Events {
    /// Runs the command and prints what it did.
    ///
    /// # Errors
    /// When the arguments make no sense or no stack runs. A service that can't be asked is in the report, and makes the
    /// exit code 1.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Action::Replay(replay) = self.action;
        replay.run().await
    }
}

impl ReplayEvents {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { from, to, services, dry_run, json, identity, place } = self;
        ensure!(from < to, "the span is empty: it begins at {from} and ends at {to}");
        ensure!(to.duration_since(from) <= LONGEST_SPAN, "the span is longer than 366 days");
        let publishers = publisher::resolve(&services, || place.running())?;
        let tls = identity.read().await?;
        let report = {
            let _replaying = terminal::spinner("asking the services");
            replay(&publishers, Span { from, to }, dry_run, tls.as_ref()).await
        };
        terminal::print(&report, json)?;
        Ok(if report.all_answered() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
