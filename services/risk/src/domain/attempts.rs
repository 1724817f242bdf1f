//! The attempts that have been counted, so that a repeated request is not counted again.

use std::collections::{HashSet, VecDeque};

use super::Bucket;

/// Identifies an attempt to place an order.
pub(crate) type Attempt = [u8; 16];

/// The recent attempts, bounded in number. A new process remembers none, so it counts a repeated attempt again.
#[derive(Debug)]
pub(crate) struct Attempts {
    most: usize,
    seen: HashSet<Attempt>,
    by_time: VecDeque<(Bucket, Vec<Attempt>)>,
}

impl Attempts {
    /// Remembers at most `most` attempts and forgets the oldest first.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, seen: HashSet::new(), by_time: VecDeque::new() }
    }

    pub(crate) fn has(&self, attempt: &Attempt) -> bool {
        self.seen.contains(attempt)
    }

    /// Remembers an attempt; `true` if it is new.
    pub(crate) fn add(&mut self, attempt: Attempt, now: Bucket) -> bool {
        if !self.seen.insert(attempt) {
            return false;
        }
        match self.by_time.back_mut() {
            // If the clock was set back, the last bucket is used: buckets stay sorted.
            Some((bucket, attempts)) if *bucket >= now => attempts.push(attempt),
            _ => self.by_time.push_back((now, vec![attempt])),
        }
        while self.seen.len() > self.most && self.by_time.len() > 1 {
            self.forget_oldest();
        }
        // All are in one bucket: the newest is not remembered and counts again when it is repeated.
        if self.seen.len() > self.most {
            self.seen.remove(&attempt);
            if let Some((_, attempts)) = self.by_time.back_mut() {
                attempts.pop();
            }
        }
        true
    }

    /// Forgets the attempts before a step.
    pub(crate) fn forget_before(&mut self, first: Bucket) {
        while self.by_time.front().is_some_and(|(bucket, _)| *bucket < first) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        for attempt in self.by_time.pop_front().into_iter().flat_map(|(_, attempts)| attempts) {
            self.seen.remove(&attempt);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(number: u8) -> Attempt {
        [number; 16]
    }

    #[test]
    fn an_attempt_is_new_once_until_it_is_forgotten() {
        let mut attempts = Attempts::new(100);
        assert!(attempts.add(attempt(1), 10));
        assert!(!attempts.add(attempt(1), 11));
        attempts.forget_before(10);
        assert!(attempts.has(&attempt(1)));
        attempts.forget_before(11);
        assert!(attempts.add(attempt(1), 12));
    }

    #[test]
    fn the_oldest_make_room_and_the_bound_holds() {
        let mut attempts = Attempts::new(3);
        for number in 0..3 {
            assert!(attempts.add(attempt(number), i64::from(number)));
        }
        assert!(attempts.add(attempt(3), 3));
        assert!(!attempts.has(&attempt(0)) && attempts.has(&attempt(3)));
        for number in 4..100 {
            attempts.add(attempt(number), 4);
            assert!(attempts.seen.len() <= 3);
        }
    }
}
