//! The schedule of the commit lanes: which waiting orders are committed together, and when. Without I/O.
//!
//! A lane commits one batch at a time. A batch takes the oldest waiting work whose SKUs no running batch holds. Each
//! SKU has a first-in, first-out queue, and work keeps its position in it even while another of its SKUs is held. So no
//! work overtakes other work on a SKU, and the oldest starts at the latest when the batches that run now have ended.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use primitives::Sku;
use tokio::time::Instant;

/// The number of recent batches over which the expected duration of one is averaged.
const SMOOTHING: u32 = 8;

/// The bounds of the lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneLimits {
    /// The most batches that run at once.
    pub(crate) lanes: usize,
    /// The most pieces of work that wait.
    pub(crate) waiting: usize,
    /// The most pieces of work with reserved places that wait beyond that.
    pub(crate) reserved: usize,
    /// The most bytes that wait.
    pub(crate) waiting_bytes: usize,
    /// The most pieces of work in a batch.
    pub(crate) batch_orders: usize,
    /// The most order lines in a batch; one order with more goes alone.
    pub(crate) batch_lines: usize,
    /// The most bytes in a batch; one order with more goes alone.
    pub(crate) batch_bytes: usize,
}

/// The needs of a piece of work.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    /// Each SKU once.
    pub(crate) skus: Vec<Sku>,
    /// The approximate size of its writes.
    pub(crate) bytes: usize,
    /// When its caller stops waiting.
    pub(crate) deadline: Instant,
    /// Whether it may use the reserved places, so that new orders don't keep it out.
    pub(crate) reserved: bool,
}

/// Why work is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The queue is full.
    #[error("the commit lanes are full")]
    Full,
    /// Its turn would come after its deadline.
    #[error("its turn would come too late")]
    TooLate,
}

/// The id of a running batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BatchId(u64);

/// The next step.
#[derive(Debug)]
pub(crate) struct Step<T> {
    /// To be committed now.
    pub(crate) batch: Option<(BatchId, Vec<T>)>,
    /// Work whose caller has stopped waiting.
    pub(crate) late: Vec<T>,
}

/// The schedule. `T` is a piece of work, opaque to the schedule.
#[derive(Debug)]
pub(crate) struct Scheduler<T> {
    limits: LaneLimits,
    /// By age.
    waiting: BTreeMap<u64, Waiting<T>>,
    waiting_bytes: usize,
    /// Work that waits for no SKU, by age.
    ready: BTreeSet<u64>,
    queues: HashMap<Sku, SkuQueue>,
    running: HashMap<BatchId, RunningBatch>,
    next: u64,
    /// The smoothed duration of a batch.
    pace: Duration,
    /// The smoothed duration of a batch for each of its orders, while more orders wait than a batch takes; zero when
    /// none has waited lately. Only then does the duration show how well orders fit together.
    pace_of_one: Duration,
}

#[derive(Debug)]
struct Waiting<T> {
    demand: Demand,
    work: T,
    /// The number of its SKUs that it waits for: other work is before it, or a batch holds the SKU.
    waits_on: usize,
}

/// The work that waits for a SKU.
#[derive(Debug, Default)]
struct SkuQueue {
    held: bool,
    ages: VecDeque<u64>,
}

#[derive(Debug)]
struct RunningBatch {
    skus: BTreeSet<Sku>,
    since: Instant,
    /// The number of its orders, if it left others waiting.
    full_with: Option<u32>,
}

impl<T> Scheduler<T> {
    pub(crate) fn new(limits: LaneLimits) -> Self {
        Self {
            limits,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            ready: BTreeSet::new(),
            queues: HashMap::new(),
            running: HashMap::new(),
            next: 0,
            pace: Duration::ZERO,
            pace_of_one: Duration::ZERO,
        }
    }

    /// The number of pieces of work that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Why a new order for these SKUs would not be admitted now.
    pub(crate) fn refusal<'a>(
        &self,
        skus: impl IntoIterator<Item = &'a Sku>,
        deadline: Instant,
        now: Instant,
    ) -> Option<Refused> {
        if self.waiting.len() >= self.limits.waiting {
            return Some(Refused::Full);
        }
        self.comes_too_late(skus, deadline, now).then_some(Refused::TooLate)
    }

    /// Queues work, or returns it with the reason why not.
    pub(crate) fn admit(&mut self, demand: Demand, work: T, now: Instant) -> Result<(), (Refused, T)> {
        let places = self.limits.waiting + if demand.reserved { self.limits.reserved } else { 0 };
        if self.waiting.len() >= places || self.waiting_bytes.saturating_add(demand.bytes) > self.limits.waiting_bytes {
            return Err((Refused::Full, work));
        }
        if self.comes_too_late(&demand.skus, demand.deadline, now) {
            return Err((Refused::TooLate, work));
        }
        let age = self.next;
        self.next += 1;
        let mut waits_on = 0;
        for sku in &demand.skus {
            let queue = self.queues.entry(sku.clone()).or_default();
            waits_on += usize::from(queue.held || !queue.ages.is_empty());
            queue.ages.push_back(age);
        }
        if waits_on == 0 {
            self.ready.insert(age);
        }
        self.waiting_bytes += demand.bytes;
        self.waiting.insert(age, Waiting { demand, work, waits_on });
        Ok(())
    }

    /// The next batch, if a lane is free and work is ready. `is_wanted` tells whether the caller of a piece of work
    /// still waits.
    pub(crate) fn next(&mut self, now: Instant, is_wanted: impl Fn(&T) -> bool) -> Step<T> {
        let mut late = Vec::new();
        if self.running.len() >= self.limits.lanes {
            return Step { batch: None, late };
        }
        let mut batch = Vec::new();
        let mut skus = BTreeSet::new();
        let (mut lines, mut bytes) = (0, 0);
        while let Some(age) = self.ready.first().copied() {
            let Some(first) = self.waiting.get(&age) else { break };
            let wanted = first.demand.deadline > now && is_wanted(&first.work);
            let (more_lines, more_bytes) = (first.demand.skus.len(), first.demand.bytes);
            let fits = batch.len() < self.limits.batch_orders
                && lines + more_lines <= self.limits.batch_lines
                && bytes + more_bytes <= self.limits.batch_bytes;
            if wanted && !fits && !batch.is_empty() {
                break;
            }
            let Some(Waiting { demand, work, .. }) = self.take(age) else { break };
            if wanted {
                lines += more_lines;
                bytes += more_bytes;
                skus.extend(demand.skus);
                batch.push(work);
            } else {
                late.push(work);
            }
        }
        if batch.is_empty() {
            return Step { batch: None, late };
        }
        let id = BatchId(self.next);
        self.next += 1;
        self.hold(&skus);
        let full_with = u32::try_from(batch.len()).ok().filter(|_| !self.waiting.is_empty());
        if full_with.is_none() {
            self.pace_of_one = Duration::ZERO;
        }
        self.running.insert(id, RunningBatch { skus, since: now, full_with });
        Step { batch: Some((id, batch)), late }
    }

    /// Frees the lane and the SKUs of a batch that has ended.
    pub(crate) fn finish(&mut self, id: BatchId, now: Instant) {
        let Some(RunningBatch { skus, since, full_with }) = self.running.remove(&id) else { return };
        let took = now.saturating_duration_since(since);
        self.pace = smoothed(self.pace, took);
        if let Some(orders) = full_with {
            let took = took / orders;
            let first = self.pace_of_one.is_zero();
            self.pace_of_one = if first { took } else { smoothed(self.pace_of_one, took) };
        }
        for sku in skus {
            if let Some(queue) = self.queues.get_mut(&sku) {
                queue.held = false;
            }
            self.advance(&sku);
        }
    }

    /// Removes work that is first in all its queues; the work behind it moves up.
    fn take(&mut self, age: u64) -> Option<Waiting<T>> {
        let taken = self.waiting.remove(&age)?;
        self.ready.remove(&age);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(taken.demand.bytes);
        for sku in &taken.demand.skus {
            if let Some(queue) = self.queues.get_mut(sku) {
                queue.ages.pop_front();
            }
            self.advance(sku);
        }
        Some(taken)
    }

    /// The first in the queue of a SKU no longer waits for it.
    fn advance(&mut self, sku: &Sku) {
        let Some(queue) = self.queues.get(sku) else { return };
        let Some(age) = queue.ages.front().copied() else {
            if !queue.held {
                self.queues.remove(sku);
            }
            return;
        };
        if let Some(first) = self.waiting.get_mut(&age) {
            first.waits_on = first.waits_on.saturating_sub(1);
            if first.waits_on == 0 {
                self.ready.insert(age);
            }
        }
    }

    /// Holds SKUs for a batch: the first in their queues now waits for them.
    fn hold(&mut self, skus: &BTreeSet<Sku>) {
        for sku in skus {
            let queue = self.queues.entry(sku.clone()).or_default();
            queue.held = true;
            let Some(age) = queue.ages.front() else { continue };
            if let Some(first) = self.waiting.get_mut(age) {
                first.waits_on += 1;
                self.ready.remove(age);
            }
        }
    }

    fn comes_too_late<'a>(&self, skus: impl IntoIterator<Item = &'a Sku>, deadline: Instant, now: Instant) -> bool {
        now + self.expected_wait(skus) >= deadline
    }

    /// The least time that work for these SKUs is expected to wait for its turn: the running batch and the batches that
    /// the work before it on its longest queue fills; and, while no lane is free, all work that waits, at the recent
    /// pace.
    fn expected_wait<'a>(&self, skus: impl IntoIterator<Item = &'a Sku>) -> Duration {
        let most = self.limits.batch_orders.max(1);
        let batches = |queue: &SkuQueue| queue.ages.len() / most + usize::from(queue.held);
        let before = skus.into_iter().filter_map(|sku| self.queues.get(sku)).map(batches).max().unwrap_or_default();
        let in_line = self.pace.saturating_mul(saturated(before));
        if self.running.len() < self.limits.lanes {
            return in_line;
        }
        let lanes = saturated(self.limits.lanes.max(1));
        in_line.max(self.pace_of_one.saturating_mul(saturated(self.waiting.len())) / lanes)
    }
}

/// The average of about the last [`SMOOTHING`] values.
fn smoothed(average: Duration, value: Duration) -> Duration {
    (average * (SMOOTHING - 1) + value) / SMOOTHING
}

fn saturated(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
