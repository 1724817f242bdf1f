//! `nines bench events`: how far statements are behind orders, what a backlog of events costs, and what comparing all
//! books takes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use devstack::Progress;
use serde::Serialize;
use tokio::time::Instant;

use super::buyer::PATIENCE;
use super::drive::{Load, Pace, Tally, drive};
use super::lanes::Lanes;
use super::reconciled::{Lag, Reconciled};
use super::shop::{Ground, Setup, Shop};
use super::stats::{quantiles_ms, rounded};
use super::workload::{Goods, Workload};
use super::{parse_clients, results};
use crate::terminal;

/// How long a load is warmed up.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long a backlog may take to be drained.
const DRAINED_WITHIN: Duration = Duration::from_secs(900);
/// How long orders are sent between two looks at how many there are.
const FILL: Duration = Duration::from_secs(20);

/// Measures the way of an order to its statement, with the consumer's default limits: the lag at half of the best rate
/// of orders; a backlog that drains while orders arrive at that rate; and a run of the reconciliation over many orders,
/// with the most memory that its process was seen to have. Orders go over gRPC to one order service.
#[derive(Debug, Args)]
pub(super) struct Events {
    /// With how many clients orders are placed.
    #[arg(long, value_name = "N", default_value = "64", value_parser = parse_clients)]
    clients: usize,
    /// How long each load is measured, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How many events wait before the consumer is started again.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    backlog: u64,
    /// Over how many orders the books are compared.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    orders: u64,
    /// Where the result goes.
    #[arg(long, value_name = "FILE", default_value = "target/bench/events.json")]
    out: PathBuf,
}

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Measured {
    /// Of a closed loop, with the consumer running.
    best_orders_per_second: f64,
    /// From when an order was made to when its statement had it, at half of the best rate.
    half: Side,
    lag: Lag,
    backlog_events: u64,
    /// The same rate offered while nobody consumes, and while the backlog drains.
    without_consumer: Side,
    while_draining: Side,
    drained_in_seconds: f64,
    drained_events_per_second: f64,
    reconciled: Reconciled,
}

/// Orders that were offered at a rate.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Side {
    offered_per_second: f64,
    placed_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// A shop under load.
struct Bench {
    shop: Shop,
    goods: Arc<Goods>,
    lanes: Arc<Lanes>,
    clients: usize,
    lasting: Duration,
}

impl Events {
    pub(super) async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        let mut ground = Ground::start(progress).await?;
        let goods = Goods::of(Workload::TenSkus).await?;
        let shop = ground.open(&goods, Setup { replicas: 1, affinity: None }).await?;
        let replicas = shop.order_replicas()?;
        let lanes = Arc::new(Lanes::connect(&replicas, shop.metrics()?, &goods, self.clients, PATIENCE)?);
        let lasting = Duration::from_secs(self.seconds);
        let mut bench = Bench { shop, goods, lanes, clients: self.clients, lasting };
        let measured = self.measure(&mut bench).await?;
        bench.shop.close().await?;
        results::write(&self.out, &serde_json::to_vec_pretty(&measured)?)?;
        terminal::print(&serde_json::to_string_pretty(&measured)?, false)?;
        ground.stop().await
    }

    async fn measure(&self, bench: &mut Bench) -> anyhow::Result<Measured> {
        bench.drive(Pace::Closed, WARM_UP).await?;
        let best = per_second(bench.drive(Pace::Closed, bench.lasting).await?.placed_in_time, bench.lasting);
        bench.until_all_is_applied().await?;

        let from = primitives::now();
        let half = bench.offer(best / 2.0).await?;
        bench.until_all_is_applied().await?;
        let lag = bench.shop.lag_since(from).await?;

        bench.shop.stop_consumer().await?;
        let without_consumer = bench.offer(best / 2.0).await?;
        while bench.shop.waiting_events().await? < self.backlog {
            bench.drive(Pace::Closed, bench.lasting).await?;
        }
        let backlog_events = bench.shop.waiting_events().await?;
        let applied = bench.shop.applied_events().await?;
        bench.shop.start_consumer().await?;
        let started = Instant::now();
        let while_draining = bench.offer_until_drained(best / 2.0).await?;
        let drained_in = started.elapsed();
        let drained = bench.shop.applied_events().await?.saturating_sub(applied);

        bench.shop.stop_consumer().await?;
        while bench.shop.count_orders().await? < self.orders {
            bench.drive(Pace::Closed, FILL).await?;
        }
        bench.shop.start_consumer().await?;
        bench.until_all_is_applied().await?;
        let reconciled = bench.shop.reconcile().await?;
        ensure!(reconciled.differences == 0, "the reconciliation found differences: {reconciled:?}");
        Ok(Measured {
            best_orders_per_second: rounded(best),
            half,
            lag,
            backlog_events,
            without_consumer,
            while_draining,
            drained_in_seconds: rounded(drained_in.as_secs_f64()),
            drained_events_per_second: rounded(per_second(drained, drained_in)),
            reconciled,
        })
    }
}

impl Bench {
    async fn drive(&self, pace: Pace, lasting: Duration) -> anyhow::Result<Tally> {
        drive(&self.lanes, &self.goods, Load { clients: self.clients, pace, lasting }).await
    }

    /// Offers orders at a rate.
    async fn offer(&self, rate: f64) -> anyhow::Result<Side> {
        let tally = self.drive(Pace::Open { per_second: rate }, self.lasting).await?;
        Side::new(rate, &[tally], self.lasting)
    }

    /// Offers orders at a rate until no event waits any more but those that have just been made.
    async fn offer_until_drained(&self, rate: f64) -> anyhow::Result<Side> {
        let (started, mut tallies) = (Instant::now(), Vec::new());
        let slice = Duration::from_secs(5);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a rate of orders, above 0
        let just_made = (rate * 2.0) as u64;
        while self.shop.waiting_events().await? > just_made {
            ensure!(started.elapsed() < DRAINED_WITHIN, "the backlog did not drain within {DRAINED_WITHIN:?}");
            tallies.push(self.drive(Pace::Open { per_second: rate }, slice).await?);
        }
        let slices = u32::try_from(tallies.len()).context("too many slices")?;
        Side::new(rate, &tallies, slice * slices)
    }

    async fn until_all_is_applied(&self) -> anyhow::Result<()> {
        let applied = async {
            while self.shop.waiting_events().await? > 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(DRAINED_WITHIN, applied).await.context("events are not applied")?
    }
}

impl Side {
    fn new(offered: f64, tallies: &[Tally], lasting: Duration) -> anyhow::Result<Self> {
        let waits = tallies.iter().flat_map(Tally::waits);
        let [p50_ms, p99_ms] = quantiles_ms(waits, [0.5, 0.99]).context("no order was answered")?;
        let placed = tallies.iter().map(|tally| tally.placed_in_time).sum();
        Ok(Self {
            offered_per_second: rounded(offered),
            placed_per_second: rounded(per_second(placed, lasting)),
            p50_ms: rounded(p50_ms),
            p99_ms: rounded(p99_ms),
        })
    }
}

#[allow(clippy::cast_precision_loss)] // counts far below 2^53
fn per_second(count: u64, lasting: Duration) -> f64 {
    count as f64 / lasting.as_secs_f64()
}
