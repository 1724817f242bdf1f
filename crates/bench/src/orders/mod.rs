//! `nines bench orders`: one transaction an order, as a user would write it, against the order service.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use devstack::Progress;
use serde::Serialize;

use super::buyer::{Buyer as _, PATIENCE};
use super::drive::Pace;
use super::lanes::Lanes;
use super::naive::Naive;
use super::results::{self, Results};
use super::round::{Bout, Measured, Ratio, Rounds};
use super::shop::{Ground, Setup};
use super::workload::{Goods, Workload};
use super::{chart, parse_clients};

/// The rate of an open loop, as a part of what the lanes reached in the closed loop with as many clients.
const OPEN_LOOP_SHARE: f64 = 0.8;

/// One transaction an order against the order service. Both sides write the same into the same collections; they take
/// turns on one running replica set, each cell on a fresh database.
#[derive(Debug, Args)]
pub(super) struct Orders {
    /// What is bought.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "one-sku,ten-skus,10k-skus,baskets")]
    workloads: Vec<Workload>,
    /// How many clients buy.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "16,64,256,512", value_parser = parse_clients)]
    clients: Vec<usize>,
    /// When orders are sent. The open loop needs the closed one, which is run in any case.
    #[arg(long = "loops", value_enum, value_delimiter = ',', default_value = "closed,open")]
    loops: Vec<Loop>,
    #[command(flatten)]
    rounds: Rounds,
    /// How many connections to the primary the clients of the first side share; as many as an order service has.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    connections: u32,
    /// How many order replicas; the clients are spread over them in turn.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    replicas: u8,
    /// Where the results go.
    #[arg(long, value_name = "FILE", default_value = "target/bench/orders.json")]
    out: PathBuf,
    /// Draw the closed loops as an SVG.
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
}

/// How a load is paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Loop {
    /// Each client sends its next order when it has the answer to its last.
    Closed,
    /// Orders arrive at 80 % of what the order service reached in the closed loop, on both sides.
    Open,
}

/// Both sides of one cell.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cell {
    pub(super) workload: Workload,
    pub(super) clients: usize,
    pub(super) r#loop: Loop,
    pub(super) naive: Measured,
    pub(super) lanes: Measured,
    #[serde(flatten)]
    pub(super) ratio: Ratio,
}

impl Orders {
    pub(super) async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        let mut results = Results::begin(&self.out)?;
        let mut ground = Ground::start(progress).await?;
        results::head("workload    clients  loop")?;
        for workload in &self.workloads {
            let goods = Goods::of(*workload).await?;
            for clients in &self.clients {
                self.loops(&mut ground, *workload, &goods, *clients, &mut results).await?;
            }
        }
        ground.stop().await?;
        if let Some(path) = &self.chart {
            results::write(path, chart::draw(results.list()).as_bytes())?;
        }
        Ok(())
    }

    /// The closed loop, and after it the open one at a rate that follows from it.
    async fn loops(
        &self,
        ground: &mut Ground,
        workload: Workload,
        goods: &Arc<Goods>,
        clients: usize,
        results: &mut Results<Cell>,
    ) -> anyhow::Result<()> {
        let closed = self.cell(ground, workload, goods, clients, Pace::Closed).await?;
        let per_second = closed.lanes.orders_per_second * OPEN_LOOP_SHARE;
        if self.loops.contains(&Loop::Closed) {
            closed.print()?;
            results.add(closed)?;
        }
        if self.loops.contains(&Loop::Open) {
            anyhow::ensure!(
                per_second > 0.0,
                "nothing was placed in time in the closed loop, so the open one has no rate"
            );
            let open = self.cell(ground, workload, goods, clients, Pace::Open { per_second }).await?;
            open.print()?;
            results.add(open)?;
        }
        Ok(())
    }

    async fn cell(
        &self,
        ground: &mut Ground,
        workload: Workload,
        goods: &Arc<Goods>,
        clients: usize,
        pace: Pace,
    ) -> anyhow::Result<Cell> {
        let r#loop = if pace == Pace::Closed { Loop::Closed } else { Loop::Open };
        let measured = async {
            let setup = Setup { replicas: usize::from(self.replicas), affinity: None };
            let mut shop = ground.open(goods, setup).await?;
            let (uri, database) = shop.database();
            let naive = Arc::new(Naive::connect(uri, database, goods, clients, self.connections).await?);
            let (replicas, metrics) = (shop.order_replicas()?, shop.metrics()?);
            let lanes = Arc::new(Lanes::connect(&replicas, metrics, goods, clients, PATIENCE)?);
            let load = self.rounds.load(clients, pace);
            let mut bout = Bout { shop: &mut shop, goods, load, rounds: self.rounds };
            let (naive, lanes, ratio) = bout.compare(&naive, &lanes).await?;
            shop.close().await?;
            Ok(Cell { workload, clients, r#loop, naive, lanes, ratio })
        };
        let measured: anyhow::Result<Cell> = measured.await;
        measured.with_context(|| format!("{workload}, {clients} clients, {loop} loop", loop = r#loop))
    }
}

impl Cell {
    fn print(&self) -> anyhow::Result<()> {
        let Self { workload, clients, r#loop, naive, lanes, ratio } = self;
        let cell = format!("{:<12}{clients:>7}  {loop}", workload.to_string(), loop = r#loop);
        results::line(&cell, Naive::NAME, naive, &Ratio::default())?;
        results::line("", Lanes::NAME, lanes, ratio)
    }
}

impl fmt::Display for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
        })
    }
}
