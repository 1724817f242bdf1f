//! What this process counts: orders by subject, each attempt once.

use std::time::Duration;

use super::{Attempt, Attempts, Bucket, Candidate, Counter, Counts, Entry, bucket_at};

/// The counts of a process, and the attempts that it has counted. Both are bounded in number.
#[derive(Debug)]
pub(crate) struct Velocity {
    ours: Counter,
    max_counts: usize,
    max_attempts: usize,
    counts: Counts,
    attempts: Attempts,
}

impl Velocity {
    pub(crate) fn new(ours: Counter, max_counts: usize, max_attempts: usize) -> Self {
        let (counts, attempts) = (Counts::new(ours, max_counts), Attempts::new(max_attempts));
        Self { ours, max_counts, max_attempts, counts, attempts }
    }

    /// Counts an order for each of its subjects, unless its attempt was counted before. Returns the number of subjects
    /// that could not be counted because the bound is reached.
    pub(crate) fn count(&mut self, order: &Candidate) -> u64 {
        let now = bucket_at(order.at);
        if !self.attempts.add(order.attempt, now) {
            return 0;
        }
        order.subjects().map(|subject| u64::from(!self.counts.add(subject, now))).sum()
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether this process has counted an attempt.
    pub(crate) fn has_counted(&self, attempt: &Attempt) -> bool {
        self.attempts.has(attempt)
    }

    /// Merges what other counters have counted.
    pub(crate) fn learn(&mut self, entries: &[Entry]) {
        for entry in entries {
            self.counts.learn(*entry);
        }
    }

    /// Forgets what no window reaches any more.
    pub(crate) fn forget_before(&mut self, window: Duration, now: Bucket) {
        self.counts.forget_before(window, now);
        let steps = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
        self.attempts.forget_before(now.saturating_sub(steps));
    }

    /// Up to `most` counts that the other processes have not been told, the highest first.
    pub(crate) fn untold(&self, most: usize) -> Vec<Entry> {
        self.counts.untold(most)
    }

    /// Marks counts as told.
    pub(crate) fn told(&mut self, entries: &[Entry]) {
        self.counts.told(entries);
    }

    /// Forgets everything, for when no rule needs counts.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.ours, self.max_counts, self.max_attempts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rules::tests::order;

    const MINUTE: Duration = Duration::from_secs(60);

    fn velocity() -> Velocity {
        Velocity::new(Counter(1), 10, 10)
    }

    fn count(velocity: &Velocity, order: &Candidate) -> Vec<u64> {
        let now = bucket_at(order.at);
        order.subjects().map(|subject| velocity.counts().count(subject, MINUTE, now)).collect()
    }

    #[test]
    fn an_attempt_counts_once_for_each_subject() {
        let (mut velocity, first) = (velocity(), order(5));
        assert!(!velocity.has_counted(&first.attempt));
        assert_eq!((velocity.count(&first), velocity.count(&first)), (0, 0));
        assert!(velocity.has_counted(&first.attempt));
        assert_eq!(count(&velocity, &first), [1, 1]);
        velocity.count(&Candidate { attempt: [1; 16], ..first.clone() });
        assert_eq!(count(&velocity, &first), [2, 2]);
    }

    #[test]
    fn subjects_beyond_the_bound_are_reported() {
        let mut velocity = Velocity::new(Counter(1), 1, 10);
        assert_eq!(velocity.count(&order(5)), 1);
    }

    #[test]
    fn counts_of_others_are_merged_and_ours_are_told_once() {
        let (mut velocity, order) = (velocity(), order(5));
        velocity.count(&order);
        let bucket = bucket_at(order.at);
        velocity.learn(&[Entry { subject: order.user(), bucket, counter: Counter(2), count: 3 }]);
        assert_eq!(count(&velocity, &order), [4, 1]);
        let untold = velocity.untold(10);
        assert_eq!(untold.len(), 2);
        velocity.told(&untold);
        assert!(velocity.untold(10).is_empty());
    }

    #[test]
    fn old_counts_are_forgotten_and_clearing_forgets_all() {
        let (mut velocity, order) = (velocity(), order(5));
        velocity.count(&order);
        let now = bucket_at(order.at);
        velocity.forget_before(MINUTE, now + 12);
        assert_eq!((velocity.counts().len(), velocity.has_counted(&order.attempt)), (0, true));
        velocity.forget_before(MINUTE, now + 61);
        assert!(!velocity.has_counted(&order.attempt));
        velocity.count(&order);
        velocity.clear();
        assert_eq!((velocity.counts().len(), velocity.has_counted(&order.attempt)), (0, false));
    }
}
