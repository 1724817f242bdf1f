//! `bench drill`: breaks a platform of its own under a steady load of shoppers, and reports what they noticed. A drill
//! fails when the books are wrong afterwards, whatever the shoppers saw.

mod chart;
mod load;
mod overload;
mod replicas;
mod report;
mod risk;
mod stage;
mod traffic;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use devstack::Progress;

/// Break a platform of the drill's own while shoppers use it, and report what they notice.
#[derive(Debug, Args)]
pub(crate) struct Drill {
    #[command(subcommand)]
    fault: InducedFault,
    /// The folder for the report and the chart.
    #[arg(long, global = true, value_name = "DIR", default_value = "target/drill")]
    out: PathBuf,
}

#[derive(Debug, Subcommand)]
enum InducedFault {
    /// Kill one of three order replicas every 10 s, in turn.
    Kill(replicas::Kill),
    /// Stop and start every process, one after the other.
    Restart(replicas::Restart),
    /// Let one of three order replicas answer after 2 s, for a while.
    Slow(replicas::Faulty),
    /// Let one of three order replicas fail half of its calls, for a while.
    Failing(replicas::Faulty),
    /// Let one of three order replicas accept calls and never answer, for a while.
    Hanging(replicas::Faulty),
    /// Kill the primary of MongoDB.
    Election(replicas::Election),
    /// Let the risk service answer after 2 s, for a while.
    Risk(risk::SlowRisk),
    /// Offer five times more than can be taken, with clients that may retry at once.
    Overload(overload::Flood),
}

impl Drill {
    /// Runs the drill and prints its report. Dropping this stops everything that it started.
    ///
    /// # Errors
    /// When the platform does not start, or its books are wrong afterwards.
    pub(crate) async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        let out = &self.out;
        match self.fault {
            InducedFault::Kill(kill) => kill.run(out, progress).await,
            InducedFault::Restart(restart) => restart.run(out, progress).await,
            InducedFault::Slow(faulty) => faulty.run("slow", replicas::slow(), out, progress).await,
            InducedFault::Failing(faulty) => faulty.run("failing", replicas::failing(), out, progress).await,
            InducedFault::Hanging(faulty) => faulty.run("hanging", replicas::hanging(), out, progress).await,
            InducedFault::Election(election) => election.run(out, progress).await,
            InducedFault::Risk(risk) => risk.run(out, progress).await,
            InducedFault::Overload(flood) => flood.run(out, progress).await,
        }
    }
}
