//! What is said at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Options;
use super::answer::{Outcome, count};
use super::latency::{Percentiles, Times, percentiles};
use super::plan::{Pace, Plan};
use super::send::Sent;
use crate::completejourney::NoOrder;

/// A send that is later than it was due by more than this is late; less is the timer's grain.
const GRAIN: Duration = Duration::from_millis(5);

/// Counts while orders are sent. Holds 48 bytes an order for the latencies.
#[derive(Debug)]
pub(super) struct Tally {
    pace: Pace,
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

/// How a replay went.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Names the run; to be given again to go on with it.
    pub run_id: String,
    /// The baskets that were taken from the data.
    pub baskets: usize,
    /// Those without a line of an order.
    pub empty_baskets: usize,
    /// Those that are several orders, for having more products than an order may have lines.
    pub split_baskets: usize,
    /// The lines that were no lines of an order, by reason.
    pub no_orders: BTreeMap<NoOrder, u64>,
    /// The orders that the baskets make.
    pub orders: usize,
    /// Those that were placed.
    pub accepted: u64,
    /// Those of them whose answer came from an earlier try or run.
    pub replayed: u64,
    /// Those that the shop refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Those that failed for another reason, after all tries.
    pub failed: BTreeMap<String, u64>,
    /// Those that were not sent because the time was over.
    pub not_sent: usize,
    /// How often an order was sent again.
    pub retries: u64,
    /// How many clients there were, or how many orders could be under way.
    pub concurrency: u32,
    /// The orders a second that were asked for.
    pub rate: Option<f64>,
    /// How many orders were sent over 5 ms after they were due. With a rate only.
    pub late: u64,
    /// How many of them the bound on orders under way held back; the machine was busy for the others.
    pub held_back: u64,
    /// How late a send was at most, in ms.
    pub latest_ms: u128,
    /// From the first send to the last answer.
    pub seconds: f64,
    /// Accepted orders a second.
    pub accepted_per_second: f64,
    /// From the first send of an order to its outcome, tries and waits included; all orders that were sent.
    pub latency_from_send: Option<Percentiles>,
    /// The same from when the order was due: what an open-loop clock shows.
    pub latency_from_due: Option<Percentiles>,
}

impl Tally {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
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
        let Sent { due, sent, took_last_place, done, retries, outcome } = order;
        match outcome {
            Outcome::Accepted { replayed } => {
                self.accepted += 1;
                self.replayed += u64::from(replayed);
            }
            Outcome::Refused(reason) => count(&mut self.refused, reason.name()),
            Outcome::Failed(reason) => count(&mut self.failed, reason),
        }
        self.retries += retries;
        let late_by = due.map_or(Duration::ZERO, |due| sent.saturating_duration_since(due));
        self.late += u64::from(late_by > GRAIN);
        self.held_back += u64::from(late_by > GRAIN && took_last_place);
        self.latest = self.latest.max(late_by);
        let since = |at: tokio::time::Instant| at.saturating_duration_since(self.pace.start());
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
            no_orders: plan.no_orders(),
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
    /// Whether every order that was sent was accepted, or refused for a reason that a shop has.
    #[must_use]
    pub fn all_answered(&self) -> bool {
        self.failed.is_empty()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run_id, baskets, empty_baskets, split_baskets, orders, accepted, replayed, retries, .. } = self;
        writeln!(f, "run {run_id}: {baskets} baskets, {orders} orders")?;
        writeln!(f, "  baskets without a line of an order  {empty_baskets}; in several orders  {split_baskets}")?;
        write!(f, "  lines that were no orders  {}", self.no_orders.values().sum::<u64>())?;
        for (reason, count) in &self.no_orders {
            write!(f, "; {}  {count}", reason.text())?;
        }
        writeln!(f, "\naccepted  {accepted} (by an earlier try or run  {replayed}); sent again  {retries}")?;
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
        writeln!(f, "{:.1} accepted orders a second, for {:.1} s", self.accepted_per_second, self.seconds)?;
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
                writeln!(f, "open loop of {rate} orders a second")?;
                writeln!(
                    f,
                    "  {late} sends were late, by up to {latest_ms} ms; the bound of {concurrency} held {held_back} back"
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
