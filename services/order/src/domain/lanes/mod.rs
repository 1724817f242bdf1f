//! Which waiting orders are committed together, and when: the schedule of the commit lanes, without any I/O.
//!
//! A lane commits one batch at a time. A batch takes the oldest waiting work whose SKUs no running batch holds. Work
//! that is first in line for a SKU keeps its place there even while another of its SKUs is held, so nobody is overtaken
//! on a SKU, and the oldest starts at the latest when the batches that run now have ended.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use primitives::Sku;
use tokio::time::Instant;

/// How many recent batches the expected duration of one is averaged over.
const SMOOTHING: u32 = 8;

/// The bounds of the lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneLimits {
    /// How many batches run at once.
    pub(crate) lanes: usize,
    /// How much may wait.
    pub(crate) waiting: usize,
    /// How much more of what has places of its own.
    pub(crate) reserved: usize,
    /// How many bytes may wait.
    pub(crate) waiting_bytes: usize,
    /// The most pieces of work in a batch.
    pub(crate) batch_orders: usize,
    /// The most order lines in a batch; one order with more goes alone.
    pub(crate) batch_lines: usize,
    /// The most bytes in a batch; one order with more goes alone.
    pub(crate) batch_bytes: usize,
}

/// What a piece of work needs.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    /// Each SKU once.
    pub(crate) skus: Vec<Sku>,
    /// About the size of what it writes.
    pub(crate) bytes: usize,
    /// When nobody waits for it any more.
    pub(crate) deadline: Instant,
    /// Whether it may use the places that are kept for what must not be turned away by new orders.
    pub(crate) reserved: bool,
}

/// Why work is not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// As much is waiting as may wait.
    #[error("the commit lanes are full")]
    Full,
    /// Its turn would come after its deadline.
    #[error("its turn would come too late")]
    TooLate,
}

/// A batch that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BatchId(u64);

/// What happens next.
#[derive(Debug)]
pub(crate) struct Step<T> {
    /// To be committed now.
    pub(crate) batch: Option<(BatchId, Vec<T>)>,
    /// Nobody waits for these any more.
    pub(crate) late: Vec<T>,
}

/// The schedule. `T` is what is to be done with a piece of work; the schedule does not look at it.
#[derive(Debug)]
pub(crate) struct Scheduler<T> {
    limits: LaneLimits,
    /// By age.
    waiting: BTreeMap<u64, Waiting<T>>,
    waiting_bytes: usize,
    /// Those that nothing stands in the way of, by age.
    ready: BTreeSet<u64>,
    lines: HashMap<Sku, Line>,
    running: HashMap<BatchId, Running>,
    next: u64,
    /// About how long a batch takes.
    pace: Duration,
    /// About how long a lane takes for each order while it has more of them than it can take; zero when nothing has had
    /// to wait lately. Whether orders fit together shows only then.
    pace_of_one: Duration,
}

#[derive(Debug)]
struct Waiting<T> {
    demand: Demand,
    work: T,
    /// On how many of its SKUs it has to wait: somebody is before it, or a batch holds the SKU.
    waits_on: usize,
}

/// Who waits for a SKU.
#[derive(Debug, Default)]
struct Line {
    held: bool,
    queue: VecDeque<u64>,
}

#[derive(Debug)]
struct Running {
    skus: BTreeSet<Sku>,
    since: Instant,
    /// How many orders it has, if it left others waiting.
    full_with: Option<u32>,
}

impl<T> Scheduler<T> {
    pub(crate) fn new(limits: LaneLimits) -> Self {
        Self {
            limits,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            ready: BTreeSet::new(),
            lines: HashMap::new(),
            running: HashMap::new(),
            next: 0,
            pace: Duration::ZERO,
            pace_of_one: Duration::ZERO,
        }
    }

    /// How much waits.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Why a new order for these SKUs would not be taken in now.
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

    /// Lines work up, or gives it back with the reason why not.
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
            let line = self.lines.entry(sku.clone()).or_default();
            waits_on += usize::from(line.held || !line.queue.is_empty());
            line.queue.push_back(age);
        }
        if waits_on == 0 {
            self.ready.insert(age);
        }
        self.waiting_bytes += demand.bytes;
        self.waiting.insert(age, Waiting { demand, work, waits_on });
        Ok(())
    }

    /// The next batch, if a lane is free and there is something to do. `is_wanted` tells whether anybody still waits
    /// for a piece of work.
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
        self.running.insert(id, Running { skus, since: now, full_with });
        Step { batch: Some((id, batch)), late }
    }

    /// Frees the lane and the SKUs of a batch that has ended.
    pub(crate) fn finish(&mut self, id: BatchId, now: Instant) {
        let Some(Running { skus, since, full_with }) = self.running.remove(&id) else { return };
        let took = now.saturating_duration_since(since);
        self.pace = smoothed(self.pace, took);
        if let Some(orders) = full_with {
            let took = took / orders;
            let first = self.pace_of_one.is_zero();
            self.pace_of_one = if first { took } else { smoothed(self.pace_of_one, took) };
        }
        for sku in skus {
            if let Some(line) = self.lines.get_mut(&sku) {
                line.held = false;
            }
            self.advance(&sku);
        }
    }

    /// Takes out work that is first in all its lines; who was behind it moves up.
    fn take(&mut self, age: u64) -> Option<Waiting<T>> {
        let taken = self.waiting.remove(&age)?;
        self.ready.remove(&age);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(taken.demand.bytes);
        for sku in &taken.demand.skus {
            if let Some(line) = self.lines.get_mut(sku) {
                line.queue.pop_front();
            }
            self.advance(sku);
        }
        Some(taken)
    }

    /// The first in the line of a SKU no longer has to wait on it.
    fn advance(&mut self, sku: &Sku) {
        let Some(line) = self.lines.get(sku) else { return };
        let Some(age) = line.queue.front().copied() else {
            if !line.held {
                self.lines.remove(sku);
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

    /// Holds SKUs for a batch: who is first in their lines now has to wait on them.
    fn hold(&mut self, skus: &BTreeSet<Sku>) {
        for sku in skus {
            let line = self.lines.entry(sku.clone()).or_default();
            line.held = true;
            let Some(age) = line.queue.front() else { continue };
            if let Some(first) = self.waiting.get_mut(age) {
                first.waits_on += 1;
                self.ready.remove(age);
            }
        }
    }

    fn comes_too_late<'a>(&self, skus: impl IntoIterator<Item = &'a Sku>, deadline: Instant, now: Instant) -> bool {
        now + self.expected_wait(skus) >= deadline
    }

    /// About how long work for these SKUs would wait for its turn, at least: the batch that runs and those that fill up
    /// with what is before it on its longest line; and, while no lane is free, everything that waits, at the pace of
    /// late.
    fn expected_wait<'a>(&self, skus: impl IntoIterator<Item = &'a Sku>) -> Duration {
        let most = self.limits.batch_orders.max(1);
        let batches = |line: &Line| line.queue.len() / most + usize::from(line.held);
        let before = skus.into_iter().filter_map(|sku| self.lines.get(sku)).map(batches).max().unwrap_or_default();
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
