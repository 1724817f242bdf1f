//! `bench rest`: the throughput of the order service with and without the gateway in front of it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use devstack::Progress;
use serde::Serialize;

use crate::harness::buyer::PATIENCE;
use crate::harness::clients::parse_clients;
use crate::harness::drive::Pace;
use crate::harness::lanes::Lanes;
use crate::harness::rest::Rest;
use crate::harness::results::{self, Results};
use crate::harness::round::{Measured, Ratio, Rounds, Trial};
use crate::harness::shop::{Setup, Testbed};
use crate::harness::workload::{Goods, Workload};

/// Compare the order service over gRPC with the same through the gateway over REST, in alternation, in a closed loop.
#[derive(Debug, Args)]
pub(crate) struct ThroughGateway {
    /// The workloads.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "one-sku")]
    workloads: Vec<Workload>,
    /// The number of clients.
    #[arg(long, value_name = "N", default_value = "256", value_parser = parse_clients)]
    clients: usize,
    #[command(flatten)]
    rounds: Rounds,
    /// The number of order replicas.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    replicas: u8,
    /// The file for the results.
    #[arg(long, value_name = "FILE", default_value = "target/bench/rest.json")]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RestCell {
    workload: Workload,
    clients: usize,
    grpc: Measured,
    rest: Measured,
    /// REST divided by gRPC.
    #[serde(flatten)]
    ratio: Ratio,
}

impl ThroughGateway {
    pub(crate) async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        let mut results = Results::begin(&self.out)?;
        let mut testbed = Testbed::start(progress).await?;
        results::header("workload    clients")?;
        for workload in &self.workloads {
            let cell = self.cell(&mut testbed, *workload).await?;
            let label = format!("{:<12}{:>7}", workload.to_string(), self.clients);
            results::line(&label, "grpc", &cell.grpc, &Ratio::default())?;
            results::line("", "rest", &cell.rest, &cell.ratio)?;
            results.add(cell)?;
        }
        testbed.stop().await
    }

    async fn cell(&self, testbed: &mut Testbed, workload: Workload) -> anyhow::Result<RestCell> {
        let goods = Goods::of(workload).await?;
        let setup = Setup { replicas: usize::from(self.replicas), affinity: None };
        let mut shop = testbed.open(&goods, setup).await?;
        let (replicas, metrics) = (shop.order_replicas()?, shop.metrics()?);
        let grpc = Arc::new(Lanes::connect(&replicas, metrics.clone(), &goods, self.clients, PATIENCE)?);
        let rest = Arc::new(Rest::connect(&shop.gateway(), metrics, &goods, self.clients).await?);
        let load = self.rounds.load(self.clients, Pace::Closed);
        let mut trial = Trial { shop: &mut shop, goods: &goods, load, rounds: self.rounds };
        let (grpc, rest, ratio) = trial.compare(&grpc, &rest).await?;
        shop.close().await?;
        Ok(RestCell { workload, clients: self.clients, grpc, rest, ratio })
    }
}
