//! `bench replicas`: the gain from more order replicas, and from sending all orders of a SKU to the same replica.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use devstack::Progress;
use serde::Serialize;

use crate::harness::clients::parse_clients;
use crate::harness::drive::Pace;
use crate::harness::rest::Rest;
use crate::harness::results::{self, Results};
use crate::harness::round::{Measured, Ratio, Rounds, Trial};
use crate::harness::shop::{Setup, Testbed};
use crate::harness::workload::{Goods, Workload};

/// Measure one, two and three order replicas behind the gateway, with and without SKU affinity, over REST in a closed
/// loop, one after the other, each on a platform of its own.
#[derive(Debug, Args)]
pub(crate) struct Replicas {
    /// The workloads.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "one-sku,10k-skus,baskets")]
    workloads: Vec<Workload>,
    /// The number of clients.
    #[arg(long, value_name = "N", default_value = "256", value_parser = parse_clients)]
    clients: usize,
    /// The numbers of order replicas.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,2,3")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=8))]
    replicas: Vec<u8>,
    #[command(flatten)]
    rounds: Rounds,
    /// The file for the results.
    #[arg(long, value_name = "FILE", default_value = "target/bench/replicas.json")]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReplicasCell {
    workload: Workload,
    clients: usize,
    replicas: u8,
    affinity: bool,
    #[serde(flatten)]
    rest: Measured,
}

impl Replicas {
    pub(crate) async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        let mut results = Results::begin(&self.out)?;
        let mut testbed = Testbed::start(progress).await?;
        results::header("workload    replicas  affinity")?;
        for workload in &self.workloads {
            let goods = Goods::of(*workload).await?;
            for replicas in &self.replicas {
                for affinity in [true, false] {
                    let setup = Setup { replicas: usize::from(*replicas), affinity: Some(affinity) };
                    let rest = self.measure(&mut testbed, &goods, setup).await;
                    let rest = rest.with_context(|| format!("{workload}, {replicas} replicas"))?;
                    let label = format!("{:<12}{replicas:>8}  {affinity}", workload.to_string());
                    results::line(&label, "rest", &rest, &Ratio::default())?;
                    let (workload, replicas) = (*workload, *replicas);
                    results.add(ReplicasCell { workload, clients: self.clients, replicas, affinity, rest })?;
                }
            }
        }
        testbed.stop().await
    }

    async fn measure(&self, testbed: &mut Testbed, goods: &Arc<Goods>, setup: Setup) -> anyhow::Result<Measured> {
        let mut shop = testbed.open(goods, setup).await?;
        let rest = Rest::connect(&shop.gateway(), shop.metrics()?, goods, self.clients).await?;
        let load = self.rounds.load(self.clients, Pace::Closed);
        let mut trial = Trial { shop: &mut shop, goods, load, rounds: self.rounds };
        let measured = trial.measure(&Arc::new(rest)).await?;
        shop.close().await?;
        Ok(measured)
    }
}
