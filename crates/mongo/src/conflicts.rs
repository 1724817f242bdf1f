//! The last moment at which a transaction had to start over.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Notes conflicts between transactions, and wakes the task that waits for one.
#[derive(Debug, Default)]
pub(crate) struct Conflicts {
    last: Mutex<Option<Instant>>,
    noted: Notify,
}

impl Conflicts {
    /// A transaction starts over.
    pub(crate) fn note(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.noted.notify_one();
    }

    /// Whether the last conflict is more recent than `age`.
    pub(crate) fn is_recent(&self, age: Duration) -> bool {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < age)
    }

    /// Waits for the next conflict. At most one that was noted before ends the wait at once.
    pub(crate) async fn next(&self) {
        self.noted.notified().await;
    }
}
