//! `nines bench replicas`: what more order replicas bring, and what it brings that the gateway sends orders of one SKU
//! to the same one.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use devstack::Progress;
use serde::Serialize;

use super::drive::Pace;
use super::parse_clients;
use super::rest::Rest;
use super::results::{self, Results};
use super::round::{Bout, Measured, Ratio, Rounds};
use super::shop::{Ground, Setup};
use super::workload::{Goods, Workload};

/// One, two and three order replicas behind the gateway, with and without SKU affinity, over REST in a closed loop. One
/// after the other, each on a platform of its own.
#[derive(Debug, Args)]
pub(super) struct Replicas {
    /// What is bought.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "one-sku,10k-skus,baskets")]
    workloads: Vec<Workload>,
    /// How many clients buy.
    #[arg(long, value_name = "N", default_value = "256", value_parser = parse_clients)]
    clients: usize,
    /// How many order replicas.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,2,3", value_parser = clap::value_parser!(u8).range(1..=8))]
    replicas: Vec<u8>,
    #[command(flatten)]
    rounds: Rounds,
    /// Where the results go.
    #[arg(long, value_name = "FILE", default_value = "target/bench/replicas.json")]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cell {
    workload: Workload,
    clients: usize,
    replicas: u8,
    affinity: bool,
    #[serde(flatten)]
    rest: Measured,
}

impl Replicas {
    pub(super) async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        let mut results = Results::begin(&self.out)?;
        let mut ground = Ground::start(progress).await?;
        results::head("workload    replicas  affinity")?;
        for workload in &self.workloads {
            let goods = Goods::of(*workload).await?;
            for replicas in &self.replicas {
                for affinity in [true, false] {
                    let setup = Setup { replicas: usize::from(*replicas), affinity: Some(affinity) };
                    let rest = self.measure(&mut ground, &goods, setup).await;
                    let rest = rest.with_context(|| format!("{workload}, {replicas} replicas"))?;
                    let label = format!("{:<12}{replicas:>8}  {affinity}", workload.to_string());
                    results::line(&label, "rest", &rest, &Ratio::default())?;
                    let (workload, replicas) = (*workload, *replicas);
                    results.add(Cell { workload, clients: self.clients, replicas, affinity, rest })?;
                }
            }
        }
        ground.stop().await
    }

    async fn measure(&self, ground: &mut Ground, goods: &Arc<Goods>, setup: Setup) -> anyhow::Result<Measured> {
        let mut shop = ground.open(goods, setup).await?;
        let rest = Rest::connect(&shop.gateway(), shop.metrics()?, goods, self.clients).await?;
        let load = self.rounds.load(self.clients, Pace::Closed);
        let mut bout = Bout { shop: &mut shop, goods, load, rounds: self.rounds };
        let measured = bout.measure(&Arc::new(rest)).await?;
        shop.close().await?;
        Ok(measured)
    }
}
