//! Writes refusals down, in batches, beside the calls.
//!
//! A refusal leaves no order behind, so this is all that is kept of it. It is for people who ask why, and no call waits
//! for it. One that came too late for its order, which the rules at hand accepted, is found by the order service too.
//! When the database can't keep up or is away, refusals are dropped and counted.

use std::convert::Infallible;
use std::time::Duration;

use service::{Deadline, OnFailure, Tasks};
use tokio::sync::mpsc;

use crate::domain::Assessment;
use crate::store::Store;

/// The most that wait, and the most of a batch.
const MAX_WAITING: usize = 4_096;
const MAX_BATCH: usize = 500;
/// How long writing a batch may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where refusals go. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Refusals {
    queue: mpsc::Sender<Assessment>,
}

impl Refusals {
    /// Writes until the process stops.
    pub(crate) fn start(store: Store, tasks: &Tasks) -> Self {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        tasks.spawn("refusals", OnFailure::Stop, write(store, waiting, tasks.clone()));
        Self { queue }
    }

    pub(super) fn write(&self, refusal: Assessment) {
        if self.queue.try_send(refusal).is_err() {
            dropped(1);
        }
    }
}

async fn write(store: Store, mut waiting: mpsc::Receiver<Assessment>, tasks: Tasks) -> Result<(), Infallible> {
    let stop = tasks.stop_signal();
    let mut stopping = false;
    while !stopping {
        let mut batch = Vec::new();
        let taken = stop.run_until_cancelled(waiting.recv_many(&mut batch, MAX_BATCH)).await;
        // Told to, or nobody is left who could send.
        stopping = taken.is_none_or(|taken| taken == 0);
        if stopping {
            // What waits is written before the process ends.
            waiting.close();
            waiting.recv_many(&mut batch, MAX_WAITING).await;
        }
        if let Err(error) = store.add_refusals(&batch, Deadline::after(TIMEOUT)).await {
            tracing::warn!(?error, refusals = batch.len(), "refusals could not be written down");
            dropped(batch.len());
        }
    }
    Ok(())
}

fn dropped(count: usize) {
    metrics::counter!("risk_refusals_dropped_total").increment(u64::try_from(count).unwrap_or(u64::MAX));
}
