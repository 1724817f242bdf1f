//! `nines bench rest`: what the gateway leaves of the order service's speed.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use devstack::Progress;
use serde::Serialize;

use super::buyer::PATIENCE;
use super::drive::Pace;
use super::lanes::Lanes;
use super::parse_clients;
use super::rest::Rest;
use super::results::{self, Results};
use super::round::{Bout, Measured, Ratio, Rounds};
use super::shop::{Ground, Setup};
use super::workload::{Goods, Workload};

/// The order service over gRPC against the same through the gateway over REST, in alternation, in a closed loop.
#[derive(Debug, Args)]
pub(super) struct ThroughGateway {
    /// What is bought.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "one-sku")]
    workloads: Vec<Workload>,
    /// How many clients buy.
    #[arg(long, value_name = "N", default_value = "256", value_parser = parse_clients)]
    clients: usize,
    #[command(flatten)]
    rounds: Rounds,
    /// How many order replicas.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    replicas: u8,
    /// Where the results go.
    #[arg(long, value_name = "FILE", default_value = "target/bench/rest.json")]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cell {
    workload: Workload,
    clients: usize,
    grpc: Measured,
    rest: Measured,
    /// REST over gRPC.
    #[serde(flatten)]
    ratio: Ratio,
}

impl ThroughGateway {
    pub(super) async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        let mut results = Results::begin(&self.out)?;
        let mut ground = Ground::start(progress).await?;
        results::head("workload    clients")?;
        for workload in &self.workloads {
            let cell = self.cell(&mut ground, *workload).await?;
            let label = format!("{:<12}{:>7}", workload.to_string(), self.clients);
            results::line(&label, "grpc", &cell.grpc, &Ratio::default())?;
            results::line("", "rest", &cell.rest, &cell.ratio)?;
            results.add(cell)?;
        }
        ground.stop().await
    }

    async fn cell(&self, ground: &mut Ground, workload: Workload) -> anyhow::Result<Cell> {
        let goods = Goods::of(workload).await?;
        let setup = Setup { replicas: usize::from(self.replicas), affinity: None };
        let mut shop = ground.open(&goods, setup).await?;
        let (replicas, metrics) = (shop.order_replicas()?, shop.metrics()?);
        let grpc = Arc::new(Lanes::connect(&replicas, metrics.clone(), &goods, self.clients, PATIENCE)?);
        let rest = Arc::new(Rest::connect(&shop.gateway(), metrics, &goods, self.clients).await?);
        let load = self.rounds.load(self.clients, Pace::Closed);
        let mut bout = Bout { shop: &mut shop, goods: &goods, load, rounds: self.rounds };
        let (grpc, rest, ratio) = bout.compare(&grpc, &rest).await?;
        shop.close().await?;
        Ok(Cell { workload, clients: self.clients, grpc, rest, ratio })
    }
}
