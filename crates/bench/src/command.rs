//! The command line of `bench`.
//!
//! Each benchmark starts a replica set and platforms of its own in a temporary folder, loads them for a bounded time,
//! and checks the books after every round: wrong books void the measurement. The replica set, the services and the
//! clients share one machine, so the ratio of two sides that were measured in alternation says more than a figure
//! alone.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cli::{Signals, terminal};
use devstack::Progress;

use crate::drill::Drill;
use crate::import::Import;
use crate::replay::Replay;
use crate::{events, gateway, orders, overload, replicas, telemetry, through_gateway};

/// Benchmarks and drills of Fournines, and the real baskets that they are run with.
#[derive(Debug, Parser)]
#[command(name = "bench", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Benchmark(Benchmark),
    /// Break a platform while shoppers use it, and report what they notice.
    Drill(Drill),
    /// Load a catalogue with its initial stock.
    Import(Import),
    /// Send real baskets as orders over REST, in time order.
    Replay(Replay),
    /// The other side of `gateway`, in a process of its own.
    #[command(hide = true)]
    Bare(gateway::Bare),
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Compare one transaction per order with the order service, by workload, clients and loop.
    Orders(orders::Orders),
    /// Compare the order service over gRPC with the same through the gateway over REST.
    Rest(through_gateway::ThroughGateway),
    /// Measure one, two and three order replicas behind the gateway, with and without SKU affinity.
    Replicas(replicas::Replicas),
    /// Offer ten times more orders than can be taken.
    Overload(overload::Overload),
    /// Measure the latency and the CPU that the gateway adds, and its cached reads.
    Gateway(gateway::GatewayCost),
    /// Measure the cost of telemetry.
    Telemetry(telemetry::TelemetryCost),
    /// Measure how far statements lag behind orders, and how long comparing the books of many orders takes.
    Events(events::Events),
}

impl Cli {
    /// Runs the command and gives the exit code.
    ///
    /// # Errors
    /// When the platform does not start, a benchmark meets an order that should not be refused, or the books are wrong.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Benchmark(benchmark) => {
                let progress = cli::progress();
                until_signal(benchmark.run(&progress), "stopped; the results so far are kept").await
            }
            Command::Drill(drill) => {
                let progress = cli::progress();
                until_signal(drill.run(&progress), "stopped; there is no report").await
            }
            Command::Import(import) => import.run().await,
            Command::Replay(replay) => replay.run().await,
            Command::Bare(bare) => until_signal(bare.run(), "stopped").await,
        }
    }
}

impl Benchmark {
    async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        match self {
            Self::Orders(orders) => orders.run(progress).await,
            Self::Rest(through_gateway) => through_gateway.run(progress).await,
            Self::Replicas(replicas) => replicas.run(progress).await,
            Self::Overload(overload) => overload.run(progress).await,
            Self::Gateway(gateway) => gateway.run(progress).await,
            Self::Telemetry(telemetry) => telemetry.run(progress).await,
            Self::Events(events) => events.run(progress).await,
        }
    }
}

/// Runs a benchmark or a drill; a signal ends it together with everything that it started, since all of that stops when
/// it is dropped.
async fn until_signal(run: impl Future<Output = anyhow::Result<()>>, message: &str) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    tokio::select! {
        ended = run => ended.map(|()| ExitCode::SUCCESS),
        () = signals.next() => {
            terminal::note(message);
            Ok(ExitCode::FAILURE)
        }
    }
}
