//! Records refusals in batches, in the background.
//!
//! A refused order is not stored, so its assessment is the only record of it. It answers people who ask for the reason;
//! no call waits for it. A refusal that came too late for its order, which the order service then accepted by its local
//! rules, is visible to the order service too. Refusals are dropped and counted while the database is unavailable or
//! too slow.

use std::convert::Infallible;
use std::time::Duration;

use service::{Deadline, OnFailure, Tasks};
use tokio::sync::mpsc;

use crate::domain::Assessment;
use crate::store::Store;

/// The maximum number of refusals that wait, and of a batch.
const MAX_WAITING: usize = 4_096;
const MAX_BATCH: usize = 500;
/// The time limit for writing a batch.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The queue of refusals. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Refusals {
    queue: mpsc::Sender<Assessment>,
}

impl Refusals {
    /// Starts the task that writes refusals until the process stops.
    pub(crate) fn start(store: Store, tasks: &Tasks) -> Self {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        tasks.spawn("refusals", OnFailure::Stop, write(store, waiting, tasks.clone()));
        Self { queue }
    }

    pub(super) fn record(&self, refusal: Assessment) {
        if self.queue.try_send(refusal).is_err() {
            count_dropped(1);
        }
    }
}

async fn write(store: Store, mut waiting: mpsc::Receiver<Assessment>, tasks: Tasks) -> Result<(), Infallible> {
    let stop = tasks.stop_signal();
    let mut stopping = false;
    while !stopping {
        let mut batch = Vec::new();
        let taken = stop.run_until_cancelled(waiting.recv_many(&mut batch, MAX_BATCH)).await;
        // Stopped, or no sender is left.
        stopping = taken.is_none_or(|taken| taken == 0);
        if stopping {
            // The rest of the queue is written before the process ends.
            waiting.close();
            waiting.recv_many(&mut batch, MAX_WAITING).await;
        }
        if let Err(error) = store.add_refusals(&batch, Deadline::after(TIMEOUT)).await {
            tracing::warn!(?error, refusals = batch.len(), "refusals could not be written");
            count_dropped(batch.len());
        }
    }
    Ok(())
}

fn count_dropped(count: usize) {
    metrics::counter!("risk_refusals_dropped_total").increment(u64::try_from(count).unwrap_or(u64::MAX));
}
