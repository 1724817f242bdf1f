//! Keys whose events could not be applied and that wait for their next attempt.

use std::collections::HashMap;
use tokio::time::Instant;

use super::Delivered;
use super::retry_policy::RetryPolicy;

/// The events of one key, in order, and the number of attempts to apply them.
#[derive(Debug)]
pub(super) struct Waiting<I> {
    pub(super) key: String,
    pub(super) events: Vec<Delivered<I>>,
    pub(super) attempts: u32,
    due: Instant,
}

/// The keys that wait for their next attempt.
#[derive(Debug)]
pub(super) struct Held<I> {
    keys: HashMap<String, Waiting<I>>,
    retries: RetryPolicy,
}

impl<I> Held<I> {
    pub(super) fn new(retries: RetryPolicy) -> Self {
        Self { keys: HashMap::new(), retries }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.values().map(|waiting| waiting.events.len()).sum()
    }

    /// When the next attempt is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.keys.values().map(|waiting| waiting.due).min()
    }

    /// Groups events by key. Those of keys that wait are queued behind them; the others are returned.
    pub(super) fn sort(&mut self, events: Vec<Delivered<I>>) -> Vec<Waiting<I>> {
        let mut order = HashMap::new();
        let mut fresh = Vec::<Waiting<I>>::new();
        for event in events {
            if let Some(waiting) = self.keys.get_mut(&event.key) {
                waiting.events.push(event);
                continue;
            }
            let index = *order.entry(event.key.clone()).or_insert_with(|| {
                let (key, due) = (event.key.clone(), Instant::now());
                fresh.push(Waiting { key, events: Vec::new(), attempts: 0, due });
                fresh.len() - 1
            });
            if let Some(waiting) = fresh.get_mut(index) {
                waiting.events.push(event);
            }
        }
        fresh
    }

    /// Keeps a key until its next attempt.
    pub(super) fn keep(&mut self, mut waiting: Waiting<I>) {
        waiting.due = Instant::now() + self.retries.pause(waiting.attempts);
        self.keys.insert(waiting.key.clone(), waiting);
    }

    /// Takes the keys whose attempt is due, with at most `most` events unless a single key has more.
    pub(super) fn take_due(&mut self, most: usize) -> Vec<Waiting<I>> {
        let now = Instant::now();
        let mut taken = Vec::new();
        let mut events = 0;
        let due: Vec<_> =
            self.keys.values().filter(|waiting| waiting.due <= now).map(|waiting| waiting.key.clone()).collect();
        for key in due {
            let fits = self.keys.get(&key).is_some_and(|one| taken.is_empty() || events + one.events.len() <= most);
            if fits && let Some(waiting) = self.keys.remove(&key) {
                events += waiting.events.len();
                taken.push(waiting);
            }
        }
        taken
    }
}
