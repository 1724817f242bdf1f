//! Load: a number of clients that place orders for a time, and the outcomes.
//!
//! In a closed loop each client sends its next order when it has the answer to the last. In an open loop orders arrive
//! at a fixed rate, whether or not earlier ones are answered; a free client takes the next arrival. An order's latency
//! counts from its arrival, so that a stall is not hidden by the orders that could not be sent during it ("coordinated
//! omission", Gil Tene). The runtime's timer has a resolution of 1 ms, which adds up to 1 ms to those latencies on
//! every side that is compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::buyer::{Buyer, Outcome};
use super::workload::Goods;

/// The longest pause of a client of a closed loop after a `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// When orders are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// When the client has the answer to its last order.
    Closed,
    /// At a fixed rate, as long as a client is free.
    Open {
        /// Arrivals per second; more than 0.
        per_second: f64,
    },
}

/// A load on the platform.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    /// The most orders in flight.
    pub(crate) clients: usize,
    /// When orders are sent.
    pub(crate) pace: Pace,
    /// For how long orders are sent.
    pub(crate) lasting: Duration,
}

/// The outcomes of the orders of a load.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Orders that were placed, and how many of them were answered before the end of the load.
    pub(crate) placed: u64,
    pub(crate) placed_in_time: u64,
    pub(crate) timed_out: u64,
    pub(crate) overloaded: u64,
    pub(crate) unavailable: u64,
    /// Arrivals of an open loop for which no client became free before the end of the load.
    pub(crate) not_sent: u64,
    placed_after: Vec<Latency>,
    timed_out_after: Vec<Latency>,
}

/// The latency of an order, in µs.
#[derive(Debug, Clone, Copy)]
struct Latency {
    from_due: u32,
    from_send: u32,
}

/// Sends orders and waits until the last is answered, which may take the buyer's whole time limit after the end of the
/// load.
///
/// # Errors
/// When an order is refused for a reason that is not temporary.
pub(crate) async fn drive<B: Buyer>(buyer: &Arc<B>, goods: &Arc<Goods>, load: Load) -> anyhow::Result<Tally> {
    let schedule = Arc::new(Schedule::new(Instant::now(), load));
    let mut clients = JoinSet::new();
    for number in 0..load.clients {
        let (buyer, goods, schedule) = (Arc::clone(buyer), Arc::clone(goods), Arc::clone(&schedule));
        clients.spawn(async move { client(&*buyer, &goods, &schedule, number).await });
    }
    let mut tally = Tally::default();
    while let Some(ended) = clients.join_next().await {
        tally.merge(ended??);
    }
    tally.not_sent = schedule.arrivals().saturating_sub(tally.sent());
    Ok(tally)
}

async fn client<B: Buyer>(buyer: &B, goods: &Goods, schedule: &Schedule, number: usize) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    while let Some(due) = schedule.next().await {
        let sent = Instant::now();
        let outcome = buyer.place(number, goods.draw()).await?;
        let done = Instant::now();
        tally.add(outcome, Latency::between(due, sent, done), done <= schedule.end);
        if let (Outcome::Overloaded(pause), Pace::Closed) = (outcome, schedule.pace) {
            tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        }
    }
    Ok(tally)
}

/// When orders are due, shared by all clients.
#[derive(Debug)]
pub(crate) struct Schedule {
    start: Instant,
    end: Instant,
    pace: Pace,
    /// The number of the next arrival.
    next: AtomicU64,
}

impl Schedule {
    /// For a load that starts at `start`.
    pub(crate) fn new(start: Instant, load: Load) -> Self {
        Self { start, end: start + load.lasting, pace: load.pace, next: AtomicU64::new(0) }
    }

    /// Waits until an order is due and gives that time; `None` once the load is over.
    pub(crate) async fn next(&self) -> Option<Instant> {
        let now = Instant::now();
        let due = match self.pace {
            Pace::Closed => now,
            Pace::Open { per_second } => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                #[allow(clippy::cast_precision_loss)] // no run comes near 2^53 arrivals
                let after = number as f64 / per_second;
                self.start + Duration::from_secs_f64(after)
            }
        };
        if due >= self.end || now >= self.end {
            return None;
        }
        if due > now {
            tokio::time::sleep_until(due).await;
        }
        Some(due)
    }

    /// The number of orders that are due before the end; 0 in a closed loop.
    pub(crate) fn arrivals(&self) -> u64 {
        match self.pace {
            Pace::Closed => 0,
            Pace::Open { per_second } => {
                let arrivals = (self.end - self.start).as_secs_f64() * per_second;
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                // saturates; never negative
                let whole = arrivals.ceil() as u64;
                whole
            }
        }
    }
}

impl Latency {
    fn between(due: Instant, sent: Instant, done: Instant) -> Self {
        let micros = |from: Instant| u32::try_from((done - from).as_micros()).unwrap_or(u32::MAX);
        Self { from_due: micros(due), from_send: micros(sent) }
    }
}

impl Tally {
    fn add(&mut self, outcome: Outcome, latency: Latency, in_time: bool) {
        match outcome {
            Outcome::Placed => {
                self.placed += 1;
                self.placed_in_time += u64::from(in_time);
                self.placed_after.push(latency);
            }
            Outcome::TimedOut => {
                self.timed_out += 1;
                self.timed_out_after.push(latency);
            }
            Outcome::Overloaded(_) => self.overloaded += 1,
            Outcome::Unavailable => self.unavailable += 1,
        }
    }

    fn merge(&mut self, mut other: Self) {
        self.placed += other.placed;
        self.placed_in_time += other.placed_in_time;
        self.timed_out += other.timed_out;
        self.overloaded += other.overloaded;
        self.unavailable += other.unavailable;
        self.placed_after.append(&mut other.placed_after);
        self.timed_out_after.append(&mut other.timed_out_after);
    }

    /// The number of orders that were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.placed + self.timed_out + self.overloaded + self.unavailable
    }

    /// The latencies of orders that were placed or timed out, from when they were due, in µs.
    pub(crate) fn waits(&self) -> impl Iterator<Item = u32> {
        self.placed_after.iter().chain(&self.timed_out_after).map(|latency| latency.from_due)
    }

    /// The latencies of placed orders from when they were due, in µs.
    pub(crate) fn placed_from_due(&self) -> impl Iterator<Item = u32> {
        self.placed_after.iter().map(|latency| latency.from_due)
    }

    /// The latencies of placed orders from when they were sent, in µs.
    pub(crate) fn placed_from_send(&self) -> impl Iterator<Item = u32> {
        self.placed_after.iter().map(|latency| latency.from_send)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::workload::{OrderLine, Workload};

    const MS: Duration = Duration::from_millis(1);

    /// Answers after a fixed time.
    struct After(Duration);

    impl Buyer for After {
        const NAME: &'static str = "after";

        async fn place(&self, _client: usize, lines: &[OrderLine]) -> anyhow::Result<Outcome> {
            assert_eq!(lines.len(), 1);
            tokio::time::sleep(self.0).await;
            Ok(Outcome::Placed)
        }

        async fn retries(&self) -> anyhow::Result<u64> {
            Ok(0)
        }
    }

    async fn tally(answer: Duration, clients: usize, pace: Pace) -> Tally {
        let goods = Goods::of(Workload::OneSku).await.unwrap();
        let load = Load { clients, pace, lasting: 1_000 * MS };
        drive(&Arc::new(After(answer)), &goods, load).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_loop_sends_as_fast_as_it_is_answered() {
        let tally = tally(10 * MS, 4, Pace::Closed).await;
        assert_eq!((tally.placed, tally.placed_in_time, tally.not_sent), (400, 400, 0));
        assert!(tally.waits().all(|wait| wait == 10_000));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_after_the_end_counts_for_latency_and_not_for_throughput() {
        let tally = tally(700 * MS, 2, Pace::Closed).await;
        assert_eq!((tally.placed, tally.placed_in_time), (4, 2));
        assert_eq!(tally.waits().count(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_loop_sends_at_its_rate() {
        let tally = tally(10 * MS, 16, Pace::Open { per_second: 100.0 }).await;
        assert_eq!((tally.placed, tally.not_sent), (100, 0));
        assert!(tally.waits().all(|wait| wait == 10_000));
    }

    #[tokio::test(start_paused = true)]
    async fn the_latency_in_an_open_loop_counts_from_when_an_order_was_due() {
        // One client takes 100 ms per order, so it sends 10 of the 100 that are due, each later than the one before.
        let tally = tally(100 * MS, 1, Pace::Open { per_second: 100.0 }).await;
        assert_eq!((tally.placed, tally.not_sent), (10, 90));
        let waits: Vec<u32> = tally.waits().collect();
        assert_eq!((waits[0], waits[1], waits[9]), (100_000, 190_000, 910_000));
        assert!(tally.placed_from_send().all(|wait| wait == 100_000));
    }
}
