//! `nines bench overload`: what the order service does while far more is offered than it can take.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use devstack::Progress;
use serde::Serialize;
use tokio::time::MissedTickBehavior;

use super::buyer::PATIENCE;
use super::drive::{Load, Pace, Tally, drive};
use super::lanes::Lanes;
use super::round::{Bout, Rounds};
use super::shop::{Ground, Setup, Shop};
use super::stats::{quantiles_ms, rounded};
use super::usage::{CpuSeconds, Memory};
use super::workload::{Goods, Workload};
use super::{parse_clients, results};
use crate::terminal;

/// How long a round takes in which the best goodput is looked for.
const BEST_SECONDS: u64 = 5;
/// How long each offered order may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// How often the memory of the order service is looked at.
const MEMORY_PERIOD: Duration = Duration::from_millis(100);

/// Finds the best goodput of a closed loop, then offers many times more in an open loop, over gRPC to one order
/// service, with a deadline of 2 s for each order. The generator shares the machine's cores with what it loads.
#[derive(Debug, Args)]
pub(super) struct Overload {
    /// What is bought.
    #[arg(long, value_enum, default_value = "baskets")]
    workload: Workload,
    /// With how many clients the best goodput is looked for.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "64,256,512", value_parser = parse_clients)]
    clients: Vec<usize>,
    /// How many rounds are measured with each number of clients; the best median counts.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How many times the best goodput is offered.
    #[arg(long, value_name = "TIMES", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    times: u32,
    /// The most orders under way at once, which should be more than the service lets wait; arrivals that find no room
    /// are counted as not sent.
    #[arg(long, value_name = "N", default_value_t = 8_192, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    in_flight: u32,
    /// How long so much is offered, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Where the result goes.
    #[arg(long, value_name = "FILE", default_value = "target/bench/overload.json")]
    out: PathBuf,
}

/// What an overload gave. Rates are per second of the time in which orders were offered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Overloaded {
    workload: Workload,
    seconds: u64,
    /// The goodput of the closed loop, the best median, and with how many clients.
    best_orders_per_second: f64,
    best_clients: usize,
    /// Arrivals, and of those the ones that the generator had room to send.
    offered_per_second: f64,
    sent_per_second: f64,
    /// Orders that were placed within the time.
    accepted_per_second: f64,
    overloaded_per_second: f64,
    timed_out_per_second: f64,
    unavailable_per_second: f64,
    /// Goodput over the best of the closed loop.
    ratio: f64,
    /// Of accepted orders, from when they were sent and from when they were due.
    p50_from_send_ms: f64,
    p99_from_send_ms: f64,
    p99_from_due_ms: f64,
    memory: OrderMemory,
    /// CPU seconds by process, until the last order was answered.
    cpu_seconds_by_process: CpuSeconds,
}

/// The memory of the order service around the overload, in KiB.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct OrderMemory {
    resident_before_kib: u64,
    /// The most that was seen while orders were offered.
    resident_most_kib: u64,
    resident_after_kib: u64,
    /// The kernel's own peak since the process began.
    peak_before_kib: u64,
    peak_after_kib: u64,
}

impl Overload {
    pub(super) async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        let mut ground = Ground::start(progress).await?;
        let goods = Goods::of(self.workload).await?;
        let mut shop = ground.open(&goods, Setup { replicas: 1, affinity: None }).await?;
        let looking = self.best(&mut shop, &goods);
        let best = progress.step("the best goodput of a closed loop", looking).await?;
        let overloading = self.overload(&mut shop, &goods, best);
        let overloaded = progress.step("the overload", overloading).await?;
        shop.close().await?;
        ground.stop().await?;
        let json = serde_json::to_string_pretty(&overloaded)?;
        results::write(&self.out, json.as_bytes())?;
        Ok(terminal::print(&json, false)?)
    }

    async fn best(&self, shop: &mut Shop, goods: &Arc<Goods>) -> anyhow::Result<Best> {
        let rounds = Rounds::new(self.rounds, BEST_SECONDS);
        let mut best = Best { per_second: 0.0, clients: 0 };
        for clients in &self.clients {
            let lanes = Lanes::connect(&shop.order_replicas()?, shop.metrics()?, goods, *clients, PATIENCE)?;
            let load = rounds.load(*clients, Pace::Closed);
            let measured = Bout { shop, goods, load, rounds }.measure(&Arc::new(lanes)).await?;
            if measured.orders_per_second > best.per_second {
                best = Best { per_second: measured.orders_per_second, clients: *clients };
            }
        }
        anyhow::ensure!(best.per_second > 0.0, "no order was placed in time");
        Ok(best)
    }

    async fn overload(&self, shop: &mut Shop, goods: &Arc<Goods>, best: Best) -> anyhow::Result<Overloaded> {
        let clients = usize::try_from(self.in_flight)?;
        let lanes = Lanes::connect(&shop.order_replicas()?, shop.metrics()?, goods, clients, DEADLINE)?;
        let per_second = best.per_second * f64::from(self.times);
        let pace = Pace::Open { per_second };
        let load = Load { clients, pace, lasting: Duration::from_secs(self.seconds) };
        let (pid, cpu) = (shop.order_pid()?, shop.meter().read()?);
        let before = Memory::of(pid)?;
        let (tally, resident_most_kib) = watched(pid, drive(&Arc::new(lanes), goods, load)).await?;
        let after = Memory::of(pid)?;
        let mut cpu_seconds_by_process = shop.meter().since(&cpu)?;
        cpu_seconds_by_process.values_mut().for_each(|seconds| *seconds = rounded(*seconds));
        shop.check_books(&tally).await?;
        let memory = OrderMemory {
            resident_before_kib: before.resident,
            resident_most_kib,
            resident_after_kib: after.resident,
            peak_before_kib: before.peak,
            peak_after_kib: after.peak,
        };
        self.overloaded(&tally, best, memory, cpu_seconds_by_process)
    }

    fn overloaded(
        &self,
        tally: &Tally,
        best: Best,
        memory: OrderMemory,
        cpu_seconds_by_process: CpuSeconds,
    ) -> anyhow::Result<Overloaded> {
        let seconds = Duration::from_secs(self.seconds).as_secs_f64();
        #[allow(clippy::cast_precision_loss)] // no run comes near 2^53 orders
        let per_second = |orders: u64| rounded(orders as f64 / seconds);
        let none = "no order was placed in the whole overload";
        let [p50, p99] = quantiles_ms(tally.placed_from_send(), [0.5, 0.99]).context(none)?;
        let [p99_due] = quantiles_ms(tally.placed_from_due(), [0.99]).context(none)?;
        let accepted_per_second = per_second(tally.placed_in_time);
        Ok(Overloaded {
            workload: self.workload,
            seconds: self.seconds,
            best_orders_per_second: best.per_second,
            best_clients: best.clients,
            offered_per_second: per_second(tally.sent() + tally.not_sent),
            sent_per_second: per_second(tally.sent()),
            accepted_per_second,
            overloaded_per_second: per_second(tally.overloaded),
            timed_out_per_second: per_second(tally.timed_out),
            unavailable_per_second: per_second(tally.unavailable),
            ratio: rounded(accepted_per_second / best.per_second),
            p50_from_send_ms: rounded(p50),
            p99_from_send_ms: rounded(p99),
            p99_from_due_ms: rounded(p99_due),
            memory,
            cpu_seconds_by_process,
        })
    }
}

/// The best goodput of a closed loop, and with how many clients it was reached.
#[derive(Debug, Clone, Copy)]
struct Best {
    per_second: f64,
    clients: usize,
}

/// Runs a load and gives the most memory that a process was seen to have meanwhile, in KiB.
async fn watched<T>(pid: u32, load: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(T, u64)> {
    let mut load = std::pin::pin!(load);
    let mut ticks = tokio::time::interval(MEMORY_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut most = 0;
    loop {
        tokio::select! {
            ended = &mut load => return Ok((ended?, most)),
            _ = ticks.tick() => most = most.max(Memory::of(pid)?.resident),
        }
    }
}
