//! Keys whose events could not be applied, waiting for their next attempt.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Delivered;

const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The events of one key, in order, and how often they were tried.
#[derive(Debug)]
pub(super) struct Waiting<I> {
    pub(super) key: String,
    pub(super) events: Vec<Delivered<I>>,
    pub(super) attempts: u32,
    due: Instant,
}

/// What waits for its next attempt.
#[derive(Debug)]
pub(super) struct Held<I> {
    keys: HashMap<String, Waiting<I>>,
    first_pause: Duration,
}

impl<I> Held<I> {
    pub(super) fn new(first_pause: Duration) -> Self {
        Self { keys: HashMap::new(), first_pause }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.values().map(|waiting| waiting.events.len()).sum()
    }

    /// When the next attempt is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.keys.values().map(|waiting| waiting.due).min()
    }

    /// Sorts events by key: those of keys that wait are put behind them, the others are given back.
    pub(super) fn sort(&mut self, events: Vec<Delivered<I>>) -> Vec<Waiting<I>> {
        let mut order = HashMap::new();
        let mut fresh = Vec::<Waiting<I>>::new();
        for event in events {
            if let Some(waiting) = self.keys.get_mut(&event.key) {
                waiting.events.push(event);
                continue;
            }
            let at = *order.entry(event.key.clone()).or_insert_with(|| {
                let (key, due) = (event.key.clone(), Instant::now());
                fresh.push(Waiting { key, events: Vec::new(), attempts: 0, due });
                fresh.len() - 1
            });
            if let Some(waiting) = fresh.get_mut(at) {
                waiting.events.push(event);
            }
        }
        fresh
    }

    /// Keeps a key for its next attempt, after a pause that doubles.
    pub(super) fn keep(&mut self, mut waiting: Waiting<I>) {
        let doubled = self.first_pause.saturating_mul(1 << waiting.attempts.saturating_sub(1).min(16));
        waiting.due = Instant::now() + doubled.min(LONGEST_PAUSE);
        self.keys.insert(waiting.key.clone(), waiting);
    }

    /// The keys whose attempt is due, with no more than `most` events unless a single key has more.
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
