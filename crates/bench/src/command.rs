//! `nines bench`: how fast orders are taken. Each benchmark starts a replica set and platforms of its own in a
//! temporary folder, loads them for a bounded time, and checks the books after every round: wrong books void what was
//! measured.
//!
//! Everything shares this machine: the replica set, the services and the clients. The ratio of two sides that were
//! measured in alternation says more than any of its figures alone.

mod buyer;
mod chart;
pub(crate) mod drive;
mod events;
mod gateway;
mod lanes;
pub(crate) mod metrics;
mod naive;
mod naive_events;
mod orders;
mod overload;
mod reconciled;
mod replicas;
mod rest;
pub(crate) mod results;
mod round;
pub(crate) mod shop;
pub(crate) mod stats;
pub(crate) mod stock;
mod telemetry;
mod through_gateway;
pub(crate) mod usage;
pub(crate) mod workload;

use clap::{Args, Subcommand};
use devstack::Progress;

/// Measure how fast orders are taken, on a replica set and platforms of the benchmark's own.
#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One transaction an order against the order service, by workload, clients and loop.
    Orders(orders::Orders),
    /// The order service over gRPC against the same through the gateway over REST.
    Rest(through_gateway::ThroughGateway),
    /// One, two and three order replicas behind the gateway, with and without SKU affinity.
    Replicas(replicas::Replicas),
    /// Ten times more orders than can be taken.
    Overload(overload::Overload),
    /// The latency and the CPU that the gateway adds, and its cached reads.
    Gateway(gateway::GatewayCost),
    /// The other side of `gateway`, in a process of its own.
    #[command(hide = true)]
    Bare(gateway::Bare),
    /// What telemetry costs.
    Telemetry(telemetry::TelemetryCost),
    /// The way of an order to its statement, and comparing the books of many orders.
    Events(events::Events),
}

impl Bench {
    /// Runs the benchmark and prints what it gave, line by line. Dropping this stops all that it started.
    ///
    /// # Errors
    /// When the platform does not come up, an order is refused that should have been placed, or the books are wrong.
    pub async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        match self.what {
            What::Orders(orders) => orders.run(progress).await,
            What::Rest(through_gateway) => through_gateway.run(progress).await,
            What::Replicas(replicas) => replicas.run(progress).await,
            What::Overload(overload) => overload.run(progress).await,
            What::Gateway(gateway) => gateway.run(progress).await,
            What::Telemetry(telemetry) => telemetry.run(progress).await,
            What::Bare(bare) => bare.run().await,
            What::Events(events) => events.run(progress).await,
        }
    }
}

/// The most clients; more than the connections that a member of the replica set is made for.
const MOST_CLIENTS: i64 = 4_096;

/// A number of clients on the command line.
fn parse_clients(text: &str) -> Result<usize, String> {
    let clients = text.parse().ok().filter(|clients| (1..=MOST_CLIENTS).contains(clients));
    clients.and_then(|clients| usize::try_from(clients).ok()).ok_or(format!("must be 1 to {MOST_CLIENTS}"))
}
