//! The summary of a replay.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::answer::{ReplayOutcome, count};
use super::latency::{Percentiles, Times, percentiles};
use super::options::Options;
use super::plan::{DueTimes, Plan};
use super::send::Sent;
use crate::completejourney::SkipReason;

/// An order is late when it was sent more than this after it was due; less is the timer's resolution.
const RESOLUTION: Duration = Duration::from_millis(5);

/// Counts outcomes while orders are sent. Holds 48 bytes per order for the latencies.
#[derive(Debug)]
pub(super) struct RunTally {
    due_times: DueTimes,
    accepted: u64,
    replayed: u64,
    refused: BTreeMap<&'static str, u64>,
    failed: BTreeMap<String, u64>,
    retries: u64,
    late: u64,
    held_back: u64,
    latest: Duration,
    times: Vec<Times>,
}

/// The summary of a replay.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Identifies the run; with the same id it can be continued.
    pub run_id: String,
    /// The number of baskets.
    pub baskets: usize,
    /// Baskets without an order line.
    pub empty_baskets: usize,
    /// Baskets that became several orders, since they have more products than an order may have lines.
    pub split_baskets: usize,
    /// Purchases that could not be order lines, by reason.
    pub no_orders: BTreeMap<SkipReason, u64>,
    /// The orders of all baskets.
    pub orders: usize,
    /// Orders that were placed.
    pub accepted: u64,
    /// Accepted orders that an earlier attempt or run had placed.
    pub replayed: u64,
    /// Orders that the shop refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Orders that failed after all attempts, by reason.
    pub failed: BTreeMap<String, u64>,
    /// Orders that were not sent because the time was over.
    pub not_sent: usize,
    /// The number of retries.
    pub retries: u64,
    /// The number of clients, or the bound on orders in flight.
    pub concurrency: u32,
    /// The requested orders per second.
    pub rate: Option<f64>,
    /// Orders that were sent more than 5 ms after they were due; with a rate only.
    pub late: u64,
    /// Late orders that the bound on orders in flight delayed; the others were late because the machine was busy.
    pub held_back: u64,
    /// The largest delay, in ms.
    pub latest_ms: u128,
    /// The time from the first send to the last answer.
    pub seconds: f64,
    /// Accepted orders per second.
    pub accepted_per_second: f64,
    /// From the first send of an order to its outcome, including retries and waits, of all orders that were sent.
    pub latency_from_send: Option<Percentiles>,
    /// The same from when the order was due.
    pub latency_from_due: Option<Percentiles>,
}

impl RunTally {
    pub(super) fn new(due_times: DueTimes) -> Self {
        Self {
            due_times,
            accepted: 0,
            replayed: 0,
            refused: BTreeMap::new(),
            failed: BTreeMap::new(),
            retries: 0,
            late: 0,
            held_back: 0,
            latest: Duration::ZERO,
            times: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, order: Sent) {
        let Sent { due, sent, took_last_slot, done, retries, outcome } = order;
        match outcome {
            ReplayOutcome::Accepted { replayed } => {
                self.accepted += 1;
                self.replayed += u64::from(replayed);
            }
            ReplayOutcome::Refused(reason) => count(&mut self.refused, reason.name()),
            ReplayOutcome::Failed(reason) => count(&mut self.failed, reason),
        }
        self.retries += retries;
        let late_by = due.map_or(Duration::ZERO, |due| sent.saturating_duration_since(due));
        self.late += u64::from(late_by > RESOLUTION);
        self.held_back += u64::from(late_by > RESOLUTION && took_last_slot);
        self.latest = self.latest.max(late_by);
        let since = |at: tokio::time::Instant| at.saturating_duration_since(self.due_times.start());
        self.times.push(Times { due: due.map(since), sent: since(sent), done: since(done) });
    }

    pub(super) fn summary(self, options: &Options, plan: &Plan, orders: usize) -> Summary {
        let seconds = self.times.iter().map(|times| times.done).max().unwrap_or_default().as_secs_f64();
        #[allow(clippy::cast_precision_loss)] // counts of orders are far below 2^53
        let accepted_per_second = if seconds > 0.0 { self.accepted as f64 / seconds } else { 0.0 };
        let not_sent = orders - self.times.len();
        let (latency_from_send, latency_from_due) = percentiles(self.times).unzip();
        Summary {
            run_id: options.run_id.clone(),
            baskets: plan.baskets.len(),
            empty_baskets: plan.empty_baskets(),
            split_baskets: plan.split_baskets(),
            no_orders: plan.skipped(),
            orders,
            accepted: self.accepted,
            replayed: self.replayed,
            refused: self.refused,
            failed: self.failed,
            not_sent,
            retries: self.retries,
            concurrency: options.concurrency,
            rate: options.rate,
            late: self.late,
            held_back: self.held_back,
            latest_ms: self.latest.as_millis(),
            seconds,
            accepted_per_second,
            latency_from_send,
            latency_from_due,
        }
    }
}

impl Summary {
    /// Whether every order that was sent was accepted, or refused by the shop.
    #[must_use]
    pub fn all_answered(&self) -> bool {
        self.failed.is_empty()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run_id, baskets, empty_baskets, split_baskets, orders, accepted, replayed, retries, .. } = self;
        writeln!(f, "run {run_id}: {baskets} baskets, {orders} orders")?;
        writeln!(f, "  baskets without an order line  {empty_baskets}; split into several orders  {split_baskets}")?;
        write!(f, "  purchases that could not be order lines  {}", self.no_orders.values().sum::<u64>())?;
        for (reason, count) in &self.no_orders {
            write!(f, "; {}  {count}", reason.text())?;
        }
        writeln!(f, "\naccepted  {accepted} (by an earlier attempt or run  {replayed}); retries  {retries}")?;
        let refused: u64 = self.refused.values().sum();
        writeln!(f, "refused   {refused}")?;
        for (reason, count) in &self.refused {
            writeln!(f, "  {reason}  {count}")?;
        }
        writeln!(f, "failed    {}", self.failed.values().sum::<u64>())?;
        for (reason, count) in &self.failed {
            writeln!(f, "  {reason}  {count}")?;
        }
        if self.not_sent > 0 {
            writeln!(f, "not sent  {} (the time was over)", self.not_sent)?;
        }
        writeln!(f, "{:.1} accepted orders per second, for {:.1} s", self.accepted_per_second, self.seconds)?;
        self.pacing(f)?;
        let (Some(send), Some(due)) = (&self.latency_from_send, &self.latency_from_due) else {
            return Ok(());
        };
        writeln!(f, "latency in ms       p50      p90      p99    p99.9      max")?;
        writeln!(f, "  from the send  {send}")?;
        write!(f, "  from when due  {due}")
    }
}

impl Summary {
    fn pacing(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rate {
            None => writeln!(f, "closed loop of {} clients", self.concurrency),
            Some(rate) => {
                let Self { late, held_back, latest_ms, concurrency, .. } = self;
                writeln!(f, "open loop of {rate} orders per second")?;
                writeln!(
                    f,
                    "  {late} orders were late, by up to {latest_ms} ms; the bound of {concurrency} delayed {held_back}"
                )
            }
        }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50_ms, p90_ms, p99_ms, p999_ms, max_ms } = self;
        write!(f, "{p50_ms:>8.1} {p90_ms:>8.1} {p99_ms:>8.1} {p999_ms:>8.1} {max_ms:>8.1}")
    }
}
