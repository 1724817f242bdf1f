//! `bench overload`: the order service while far more orders are offered than it can take.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use cli::terminal;
use devstack::Progress;
use serde::Serialize;
use tokio::time::MissedTickBehavior;

use crate::harness::buyer::PATIENCE;
use crate::harness::clients::parse_clients;
use crate::harness::drive::{Load, Pace, Tally, drive};
use crate::harness::lanes::Lanes;
use crate::harness::results;
use crate::harness::round::{Rounds, Trial};
use crate::harness::shop::{Setup, Shop, Testbed};
use crate::harness::stats::{quantiles_ms, rounded};
use crate::harness::usage::{CpuSeconds, Memory};
use crate::harness::workload::{Goods, Workload};

/// The length of a round of the search for the best goodput.
const BEST_SECONDS: u64 = 5;
/// The deadline of each offered order.
const DEADLINE: Duration = Duration::from_secs(2);
/// How often the memory of the order service is sampled.
const MEMORY_PERIOD: Duration = Duration::from_millis(100);

/// Find the best goodput of a closed loop, then offer a multiple of it in an open loop, over gRPC to one order service,
/// with a deadline of 2 s for each order. The load generator shares the machine's cores with the platform.
#[derive(Debug, Args)]
pub(crate) struct Overload {
    /// The workload.
    #[arg(long, value_enum, default_value = "baskets")]
    workload: Workload,
    /// The numbers of clients with which the best goodput is searched.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "64,256,512", value_parser = parse_clients)]
    clients: Vec<usize>,
    /// The number of rounds for each number of clients; the best median counts.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The offered load, as a multiple of the best goodput.
    #[arg(long, value_name = "TIMES", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    times: u32,
    /// The most orders in flight, which should be more than the service queues; arrivals beyond that count as not sent.
    #[arg(long, value_name = "N", default_value_t = 8_192, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    in_flight: u32,
    /// The length of the overload, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// The file for the result.
    #[arg(long, value_name = "FILE", default_value = "target/bench/overload.json")]
    out: PathBuf,
}

/// The results of an overload. Rates are per second of the time in which orders were offered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Overloaded {
    workload: Workload,
    seconds: u64,
    /// The best median goodput of the closed loop, and its number of clients.
    best_orders_per_second: f64,
    best_clients: usize,
    /// Arrivals, and those of them that were sent.
    offered_per_second: f64,
    sent_per_second: f64,
    /// Orders that were placed within that time.
    accepted_per_second: f64,
    overloaded_per_second: f64,
    timed_out_per_second: f64,
    unavailable_per_second: f64,
    /// The goodput divided by the best of the closed loop.
    ratio: f64,
    /// Latencies of accepted orders, from when they were sent and from when they were due.
    p50_from_send_ms: f64,
    p99_from_send_ms: f64,
    p99_from_due_ms: f64,
    memory: OrderMemory,
    /// CPU seconds by process, up to the last answer.
    cpu_seconds_by_process: CpuSeconds,
}

/// The memory of the order service around the overload, in KiB.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct OrderMemory {
    resident_before_kib: u64,
    /// The largest sample while orders were offered.
    resident_most_kib: u64,
    resident_after_kib: u64,
    /// The kernel's peak since the process was started.
    peak_before_kib: u64,
    peak_after_kib: u64,
}

impl Overload {
    pub(crate) async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        let mut testbed = Testbed::start(progress).await?;
        let goods = Goods::of(self.workload).await?;
        let mut shop = testbed.open(&goods, Setup { replicas: 1, affinity: None }).await?;
        let searching = self.best(&mut shop, &goods);
        let best = progress.step("the best goodput of a closed loop", searching).await?;
        let overloading = self.overload(&mut shop, &goods, best);
        let overloaded = progress.step("the overload", overloading).await?;
        shop.close().await?;
        testbed.stop().await?;
        let json = serde_json::to_string_pretty(&overloaded)?;
        results::write(&self.out, json.as_bytes())?;
        Ok(terminal::line(json)?)
    }

    async fn best(&self, shop: &mut Shop, goods: &Arc<Goods>) -> anyhow::Result<Best> {
        let rounds = Rounds::new(self.rounds, BEST_SECONDS);
        let mut best = Best { per_second: 0.0, clients: 0 };
        for clients in &self.clients {
            let lanes = Lanes::connect(&shop.order_replicas()?, shop.metrics()?, goods, *clients, PATIENCE)?;
            let load = rounds.load(*clients, Pace::Closed);
            let measured = Trial { shop, goods, load, rounds }.measure(&Arc::new(lanes)).await?;
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
        let (tally, resident_most_kib) = with_peak_memory(pid, drive(&Arc::new(lanes), goods, load)).await?;
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
        let none = "no order was placed during the overload";
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

/// The best goodput of a closed loop, and its number of clients.
#[derive(Debug, Clone, Copy)]
struct Best {
    per_second: f64,
    clients: usize,
}

/// Runs a load and gives the largest resident set of a process that was sampled meanwhile, in KiB.
async fn with_peak_memory<T>(pid: u32, load: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(T, u64)> {
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
