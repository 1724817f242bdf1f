//! `bench events`: the lag of statements behind orders, the cost of a backlog of events, and the time that the
//! reconciliation takes for all books.

mod reconciled;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use cli::terminal;
use devstack::Progress;
use serde::Serialize;
use tokio::time::Instant;

use crate::harness::buyer::PATIENCE;
use crate::harness::clients::parse_clients;
use crate::harness::drive::{Load, Pace, Tally, drive};
use crate::harness::lanes::Lanes;
use crate::harness::results;
use crate::harness::shop::{Setup, Shop, Testbed};
use crate::harness::stats::{quantiles_ms, rounded};
use crate::harness::workload::{Goods, Workload};
use reconciled::{Lag, Reconciled};

/// The length of the warm-up.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long a backlog may take to drain.
const DRAINED_WITHIN: Duration = Duration::from_secs(900);
/// How long orders are sent between two counts of the orders in the database.
const FILL: Duration = Duration::from_secs(20);

/// Measure the path of an order to its statement, with the consumer's default limits: the lag at half of the best rate
/// of orders; a backlog that drains while orders arrive at that rate; and a run of the reconciliation over many orders,
/// with the peak memory of its process. Orders go over gRPC to one order service.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// The number of clients.
    #[arg(long, value_name = "N", default_value = "64", value_parser = parse_clients)]
    clients: usize,
    /// The length of each load, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The number of waiting events at which the consumer is started again.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    backlog: u64,
    /// The number of orders that are reconciled.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    orders: u64,
    /// The file for the result.
    #[arg(long, value_name = "FILE", default_value = "target/bench/events.json")]
    out: PathBuf,
}

/// The results.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventsResult {
    /// In a closed loop, with the consumer running.
    best_orders_per_second: f64,
    /// Orders at half of the best rate, and the lag from an order to its statement.
    half: OfferedLoad,
    lag: Lag,
    backlog_events: u64,
    /// The same rate while the consumer is stopped, and while the backlog drains.
    without_consumer: OfferedLoad,
    while_draining: OfferedLoad,
    drained_in_seconds: f64,
    drained_events_per_second: f64,
    reconciled: Reconciled,
}

/// Orders that were offered at a fixed rate.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct OfferedLoad {
    offered_per_second: f64,
    placed_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// A shop under load.
struct LoadedShop {
    shop: Shop,
    goods: Arc<Goods>,
    lanes: Arc<Lanes>,
    clients: usize,
    lasting: Duration,
}

impl Events {
    pub(crate) async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        let mut testbed = Testbed::start(progress).await?;
        let goods = Goods::of(Workload::TenSkus).await?;
        let shop = testbed.open(&goods, Setup { replicas: 1, affinity: None }).await?;
        let replicas = shop.order_replicas()?;
        let lanes = Arc::new(Lanes::connect(&replicas, shop.metrics()?, &goods, self.clients, PATIENCE)?);
        let lasting = Duration::from_secs(self.seconds);
        let mut loaded = LoadedShop { shop, goods, lanes, clients: self.clients, lasting };
        let measured = self.measure(&mut loaded).await?;
        loaded.shop.close().await?;
        results::write(&self.out, &serde_json::to_vec_pretty(&measured)?)?;
        terminal::line(serde_json::to_string_pretty(&measured)?)?;
        testbed.stop().await
    }

    async fn measure(&self, loaded: &mut LoadedShop) -> anyhow::Result<EventsResult> {
        loaded.drive(Pace::Closed, WARM_UP).await?;
        let best = per_second(loaded.drive(Pace::Closed, loaded.lasting).await?.placed_in_time, loaded.lasting);
        loaded.until_all_is_applied().await?;

        let from = primitives::now();
        let half = loaded.offer(best / 2.0).await?;
        loaded.until_all_is_applied().await?;
        let lag = loaded.shop.lag_since(from).await?;

        loaded.shop.stop_consumer().await?;
        let without_consumer = loaded.offer(best / 2.0).await?;
        while loaded.shop.waiting_events().await? < self.backlog {
            loaded.drive(Pace::Closed, loaded.lasting).await?;
        }
        let backlog_events = loaded.shop.waiting_events().await?;
        let applied = loaded.shop.applied_events().await?;
        loaded.shop.start_consumer().await?;
        let started = Instant::now();
        let while_draining = loaded.offer_until_drained(best / 2.0).await?;
        let drained_in = started.elapsed();
        let drained = loaded.shop.applied_events().await?.saturating_sub(applied);

        loaded.shop.stop_consumer().await?;
        while loaded.shop.count_orders().await? < self.orders {
            loaded.drive(Pace::Closed, FILL).await?;
        }
        loaded.shop.start_consumer().await?;
        loaded.until_all_is_applied().await?;
        let reconciled = loaded.shop.reconcile().await?;
        ensure!(reconciled.differences == 0, "the reconciliation found differences: {reconciled:?}");
        Ok(EventsResult {
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

impl LoadedShop {
    async fn drive(&self, pace: Pace, lasting: Duration) -> anyhow::Result<Tally> {
        drive(&self.lanes, &self.goods, Load { clients: self.clients, pace, lasting }).await
    }

    /// Offers orders at a fixed rate.
    async fn offer(&self, rate: f64) -> anyhow::Result<OfferedLoad> {
        let tally = self.drive(Pace::Open { per_second: rate }, self.lasting).await?;
        OfferedLoad::new(rate, &[tally], self.lasting)
    }

    /// Offers orders at a fixed rate until no events wait except those of the last two seconds or so.
    async fn offer_until_drained(&self, rate: f64) -> anyhow::Result<OfferedLoad> {
        let (started, mut tallies) = (Instant::now(), Vec::new());
        let slice = Duration::from_secs(5);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a rate of orders, above 0
        let recent = (rate * 2.0) as u64;
        while self.shop.waiting_events().await? > recent {
            ensure!(started.elapsed() < DRAINED_WITHIN, "the backlog did not drain within {DRAINED_WITHIN:?}");
            tallies.push(self.drive(Pace::Open { per_second: rate }, slice).await?);
        }
        let slices = u32::try_from(tallies.len()).context("too many slices")?;
        OfferedLoad::new(rate, &tallies, slice * slices)
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

impl OfferedLoad {
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
