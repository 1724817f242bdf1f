//! How many orders each subject has had of late, in steps of 5 s: what this process has counted, and what others have.
//!
//! It is a grow-only counter after Shapiro, Preguiça, Baquero and Zawirski, "Conflict-free Replicated Data Types",
//! 2011: each process counts for itself and tells the others its own number, and a count is the sum. So a number may be
//! told again, or late, without being counted twice.

use std::cmp::Reverse;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::Subject;
use super::rules::WINDOW_STEP;

/// A step of time, counted from 1970.
pub(crate) type Bucket = i64;

/// Who counts: a process, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Counter(pub(crate) i64);

/// What a counter has counted of a subject in a step of time.
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
    /// What others have to be told.
    untold: HashSet<(Subject, Bucket)>,
}

#[derive(Debug, Default)]
struct Cell {
    own: u32,
    others: Vec<(Counter, u32)>,
}

/// The step that a time is in.
pub(crate) fn bucket_at(time: Timestamp) -> Bucket {
    time.as_second().div_euclid(i64::from(WINDOW_STEP))
}

/// When a step ends.
pub(crate) fn bucket_end(bucket: Bucket) -> Timestamp {
    let second = bucket.saturating_add(1).saturating_mul(i64::from(WINDOW_STEP));
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

/// The first step of the time before, up to and with the step `now`.
fn first_of(window: Duration, now: Bucket) -> Bucket {
    let steps = window.as_secs().div_ceil(u64::from(WINDOW_STEP));
    now.saturating_sub(i64::try_from(steps).unwrap_or(i64::MAX)).saturating_add(1)
}

impl Counts {
    /// Of `most` steps of subjects at most.
    pub(crate) fn new(ours: Counter, most: usize) -> Self {
        Self { ours, most, steps: BTreeMap::new(), len: 0, untold: HashSet::new() }
    }

    /// How many steps of subjects are known.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Counts one order; `false` when there is no room for it.
    pub(crate) fn add(&mut self, subject: Subject, bucket: Bucket) -> bool {
        let Some(cell) = self.cell(subject, bucket) else { return false };
        cell.own = cell.own.saturating_add(1);
        self.untold.insert((subject, bucket));
        true
    }

    /// What another counter has; the highest that was heard is true.
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

    /// The orders of a subject in the time before, in whole steps: the window up to the end of the step `now`.
    pub(crate) fn count(&self, subject: Subject, window: Duration, now: Bucket) -> u64 {
        let steps = self.steps.range(first_of(window, now)..=now);
        steps.filter_map(|(_, cells)| cells.get(&subject)).map(Cell::sum).sum()
    }

    /// Up to `most` of what others have not been told, the highest counts first.
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

    /// Others can read this now. What was counted since is still to be told.
    pub(crate) fn told(&mut self, entries: &[Entry]) {
        for Entry { subject, bucket, count, .. } in entries {
            let own = self.steps.get(bucket).and_then(|cells| cells.get(subject)).map(|cell| cell.own);
            if own.is_none_or(|own| own == *count) {
                self.untold.remove(&(*subject, *bucket));
            }
        }
    }

    /// Forgets what is older than the time before.
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
            Vacant(place) => {
                self.len += 1;
                Some(place.insert(Cell::default()))
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
