//! The recent orders of each subject, counted in steps of 5 s by this process and by the others.
//!
//! A grow-only counter after Shapiro, Preguiça, Baquero and Zawirski, "Conflict-free Replicated Data Types", 2011: each
//! process counts for itself and tells the others its own number, and a count is the sum. A number that arrives twice,
//! or late, is therefore not counted twice.

use std::cmp::Reverse;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::Subject;

/// The length of a step of time, in seconds.
pub(super) const STEP_SECONDS: u32 = 5;

/// A step of time: its number since 1970.
pub(crate) type Bucket = i64;

/// Identifies who has counted: a process from its start to its end, with a number above 0, or one of the constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Counter(pub(crate) i64);

impl Counter {
    /// Orders that were counted by reviews, in whichever process.
    pub(crate) const REVIEWS: Self = Self(0);
    /// Orders that a review has counted and not yet written. No stored count has this counter.
    pub(crate) const UNWRITTEN: Self = Self(-1);
}

/// The orders of a subject that a counter has counted in a step of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) subject: Subject,
    pub(crate) bucket: Bucket,
    pub(crate) counter: Counter,
    pub(crate) count: u32,
}

/// The counts of a process, bounded in number.
#[derive(Debug)]
pub(crate) struct Counts {
    ours: Counter,
    most: usize,
    steps: BTreeMap<Bucket, HashMap<Subject, Cell>>,
    len: usize,
    /// Own counts that have changed since the others were told.
    untold: HashSet<(Subject, Bucket)>,
}

#[derive(Debug, Default)]
struct Cell {
    own: u32,
    others: Vec<(Counter, u32)>,
}

/// The step that contains a time.
pub(crate) fn bucket_at(time: Timestamp) -> Bucket {
    time.as_second().div_euclid(i64::from(STEP_SECONDS))
}

/// When a step ends.
pub(crate) fn bucket_end(bucket: Bucket) -> Timestamp {
    let second = bucket.saturating_add(1).saturating_mul(i64::from(STEP_SECONDS));
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

/// The first step of the window that ends with the step `now`.
pub(super) fn first_of(window: Duration, now: Bucket) -> Bucket {
    let steps = window.as_secs().div_ceil(u64::from(STEP_SECONDS));
    now.saturating_sub(i64::try_from(steps).unwrap_or(i64::MAX)).saturating_add(1)
}

impl Counts {
    /// Counts of at most `most` pairs of subject and step.
    pub(crate) fn new(ours: Counter, most: usize) -> Self {
        Self { ours, most, steps: BTreeMap::new(), len: 0, untold: HashSet::new() }
    }

    /// The number of pairs of subject and step.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Counts one order; `false` if the bound is reached.
    pub(crate) fn add(&mut self, subject: Subject, bucket: Bucket) -> bool {
        let Some(cell) = self.cell(subject, bucket) else { return false };
        cell.own = cell.own.saturating_add(1);
        self.untold.insert((subject, bucket));
        true
    }

    /// Merges the number of another counter; the highest number received is the current one.
    pub(crate) fn learn(&mut self, entry: Entry) {
        if entry.counter == self.ours {
            return;
        }
        let Some(cell) = self.cell(entry.subject, entry.bucket) else { return };
        match cell.others.iter_mut().find(|(counter, _)| *counter == entry.counter) {
            Some((_, count)) => *count = entry.count.max(*count),
            None => cell.others.push((entry.counter, entry.count)),
        }
    }

    /// The orders of a subject in the window, in whole steps, up to the end of the step `now`.
    pub(crate) fn count(&self, subject: Subject, window: Duration, now: Bucket) -> u64 {
        let steps = self.steps.range(first_of(window, now)..=now);
        steps.filter_map(|(_, cells)| cells.get(&subject)).map(Cell::sum).sum()
    }

    /// Up to `most` own counts that the others have not been told, the highest first.
    pub(crate) fn untold(&self, most: usize) -> Vec<Entry> {
        let entry = |&(subject, bucket): &(Subject, Bucket)| {
            let count = self.steps.get(&bucket)?.get(&subject)?.own;
            Some(Entry { subject, bucket, counter: self.ours, count })
        };
        let mut untold: Vec<_> = self.untold.iter().filter_map(entry).collect();
        if untold.len() > most {
            untold.select_nth_unstable_by_key(most, |entry| Reverse(entry.count));
            untold.truncate(most);
        }
        untold
    }

    /// Marks counts as told. A count that has changed since remains untold.
    pub(crate) fn told(&mut self, entries: &[Entry]) {
        for Entry { subject, bucket, count, .. } in entries {
            let own = self.steps.get(bucket).and_then(|cells| cells.get(subject)).map(|cell| cell.own);
            if own.is_none_or(|own| own == *count) {
                self.untold.remove(&(*subject, *bucket));
            }
        }
    }

    /// Forgets the steps before the window that ends with the step `now`.
    pub(crate) fn forget_before(&mut self, window: Duration, now: Bucket) {
        let first = first_of(window, now);
        while let Some(oldest) = self.steps.first_entry().filter(|oldest| *oldest.key() < first) {
            let (bucket, cells) = oldest.remove_entry();
            self.len = self.len.saturating_sub(cells.len());
            for subject in cells.into_keys() {
                self.untold.remove(&(subject, bucket));
            }
        }
    }

    fn cell(&mut self, subject: Subject, bucket: Bucket) -> Option<&mut Cell> {
        let full = self.len >= self.most;
        let cells = self.steps.entry(bucket).or_default();
        match cells.entry(subject) {
            Occupied(cell) => Some(cell.into_mut()),
            Vacant(_) if full => None,
            Vacant(vacant) => {
                self.len += 1;
                Some(vacant.insert(Cell::default()))
            }
        }
    }
}

impl Cell {
    fn sum(&self) -> u64 {
        u64::from(self.own) + self.others.iter().map(|(_, count)| u64::from(*count)).sum::<u64>()
    }
}

#[cfg(test)]
mod tests;
