//! `bench orders`: one transaction per order, as a user of MongoDB would write it, against the order service.

mod cell;
mod chart;
mod naive;
mod naive_events;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use devstack::Progress;

use crate::harness::buyer::PATIENCE;
use crate::harness::clients::parse_clients;
use crate::harness::drive::Pace;
use crate::harness::lanes::Lanes;
use crate::harness::results::{self, Results};
use crate::harness::round::{Rounds, Trial};
use crate::harness::shop::{Setup, Testbed};
use crate::harness::workload::{Goods, Workload};
use cell::{Loop, OrdersCell};
use naive::Naive;

/// The rate of an open loop, as a share of the rate that the lanes reached in the closed loop with as many clients.
const OPEN_LOOP_SHARE: f64 = 0.8;

/// Compare one transaction per order with the order service. Both sides write the same documents into the same
/// collections, in alternation on one replica set; each cell has a fresh database.
#[derive(Debug, Args)]
pub(crate) struct Orders {
    /// The workloads.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "one-sku,ten-skus,10k-skus,baskets")]
    workloads: Vec<Workload>,
    /// The numbers of clients.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "16,64,256,512")]
    #[arg(value_parser = parse_clients)]
    clients: Vec<usize>,
    /// The loops. The open loop needs the closed one, which runs in any case.
    #[arg(long = "loops", value_enum, value_delimiter = ',', default_value = "closed,open")]
    loops: Vec<Loop>,
    #[command(flatten)]
    rounds: Rounds,
    /// The number of connections to the primary that the clients of the first side share; by default as many as an
    /// order service has.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    connections: u32,
    /// The number of order replicas, over which the clients are spread.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    replicas: u8,
    /// The file for the results.
    #[arg(long, value_name = "FILE", default_value = "target/bench/orders.json")]
    out: PathBuf,
    /// Draw the closed loops as SVG into this file.
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
}

impl Orders {
    pub(crate) async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        let mut results = Results::begin(&self.out)?;
        let mut testbed = Testbed::start(progress).await?;
        results::header("workload    clients  loop")?;
        for workload in &self.workloads {
            let goods = Goods::of(*workload).await?;
            for clients in &self.clients {
                self.loops(&mut testbed, *workload, &goods, *clients, &mut results).await?;
            }
        }
        testbed.stop().await?;
        if let Some(path) = &self.chart {
            results::write(path, chart::draw(results.list()).as_bytes())?;
        }
        Ok(())
    }

    /// Measures the closed loop, then the open one at a rate that follows from it.
    async fn loops(
        &self,
        testbed: &mut Testbed,
        workload: Workload,
        goods: &Arc<Goods>,
        clients: usize,
        results: &mut Results<OrdersCell>,
    ) -> anyhow::Result<()> {
        let closed = self.cell(testbed, workload, goods, clients, Pace::Closed).await?;
        let per_second = closed.lanes.orders_per_second * OPEN_LOOP_SHARE;
        if self.loops.contains(&Loop::Closed) {
            closed.print()?;
            results.add(closed)?;
        }
        if self.loops.contains(&Loop::Open) {
            anyhow::ensure!(
                per_second > 0.0,
                "no order was placed in time in the closed loop, so the open one has no rate"
            );
            let open = self.cell(testbed, workload, goods, clients, Pace::Open { per_second }).await?;
            open.print()?;
            results.add(open)?;
        }
        Ok(())
    }

    async fn cell(
        &self,
        testbed: &mut Testbed,
        workload: Workload,
        goods: &Arc<Goods>,
        clients: usize,
        pace: Pace,
    ) -> anyhow::Result<OrdersCell> {
        let r#loop = if pace == Pace::Closed { Loop::Closed } else { Loop::Open };
        let measured = async {
            let setup = Setup { replicas: usize::from(self.replicas), affinity: None };
            let mut shop = testbed.open(goods, setup).await?;
            let (uri, database) = shop.database();
            let naive = Arc::new(Naive::connect(uri, database, goods, clients, self.connections).await?);
            let (replicas, metrics) = (shop.order_replicas()?, shop.metrics()?);
            let lanes = Arc::new(Lanes::connect(&replicas, metrics, goods, clients, PATIENCE)?);
            let load = self.rounds.load(clients, pace);
            let mut trial = Trial { shop: &mut shop, goods, load, rounds: self.rounds };
            let (naive, lanes, ratio) = trial.compare(&naive, &lanes).await?;
            shop.close().await?;
            Ok(OrdersCell { workload, clients, r#loop, naive, lanes, ratio })
        };
        let measured: anyhow::Result<OrdersCell> = measured.await;
        measured.with_context(|| format!("{workload}, {clients} clients, {loop} loop", loop = r#loop))
    }
}
