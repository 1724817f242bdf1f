//! `nines drill`: breaks a platform of its own under a steady load of shoppers, and shows what they noticed. Books that
//! are wrong afterwards fail the drill, whatever the shoppers saw.

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

/// Break a platform of the drill's own while shoppers use it, and show what they notice.
#[derive(Debug, Args)]
pub struct Drill {
    #[command(subcommand)]
    what: What,
    /// The folder for the report and the chart.
    #[arg(long, global = true, value_name = "DIR", default_value = "target/drill")]
    out: PathBuf,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Kill one of three order replicas every 10 s, in turn, without a word.
    Kill(replicas::Kill),
    /// Stop and start every process, one after the other.
    Restart(replicas::Restart),
    /// One of three order replicas answers in 2 s, for a while.
    Slow(replicas::Faulty),
    /// One of three order replicas fails half of its calls, for a while.
    Failing(replicas::Faulty),
    /// One of three order replicas takes calls and never answers, for a while.
    Hanging(replicas::Faulty),
    /// The primary of MongoDB is killed.
    Election(replicas::Election),
    /// The risk service answers in 2 s, for a while.
    Risk(risk::SlowRisk),
    /// Five times more than can be taken, with clients that try again at once.
    Overload(overload::Flood),
}

impl Drill {
    /// Runs the drill and prints its report. Dropping this stops all that it started.
    ///
    /// # Errors
    /// When the platform does not come up, or its books are wrong afterwards.
    pub async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        let out = &self.out;
        match self.what {
            What::Kill(kill) => kill.run(out, progress).await,
            What::Restart(restart) => restart.run(out, progress).await,
            What::Slow(faulty) => faulty.run("slow", replicas::slow(), out, progress).await,
            What::Failing(faulty) => faulty.run("failing", replicas::failing(), out, progress).await,
            What::Hanging(faulty) => faulty.run("hanging", replicas::hanging(), out, progress).await,
            What::Election(election) => election.run(out, progress).await,
            What::Risk(risk) => risk.run(out, progress).await,
            What::Overload(flood) => flood.run(out, progress).await,
        }
    }
}
