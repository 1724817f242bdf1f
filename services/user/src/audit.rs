//! Writes the audit records of logins in the background: a login never waits for its record or fails because of it.

use std::convert::Infallible;
use std::time::Duration;

use service::{Deadline, OnFailure, Tasks};
use tokio::sync::mpsc;

use crate::config::AuditConfig;
use crate::domain::LoginRecord;
use crate::store::LoginAudit;

/// The most records in one write.
const BATCH: usize = 100;
/// The time limit of a write, and of all remaining writes when the process stops.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// Accepts records to write. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Audit {
    records: mpsc::Sender<LoginRecord>,
}

impl Audit {
    /// Starts the writer.
    pub(crate) fn start(config: &AuditConfig, store: LoginAudit, tasks: &Tasks) -> Self {
        let (records, receiver) = mpsc::channel(config.queue.get());
        let writing = write_until_stop(tasks.clone(), receiver, store);
        tasks.spawn("login-audit", OnFailure::Log, async move {
            writing.await;
            Ok::<(), Infallible>(())
        });
        Self { records }
    }

    /// Queues a record. Drops and counts it when the queue is full.
    pub(crate) fn record(&self, record: LoginRecord) {
        if self.records.try_send(record).is_err() {
            dropped(1);
        }
    }
}

async fn write_until_stop(tasks: Tasks, mut records: mpsc::Receiver<LoginRecord>, store: LoginAudit) {
    let stop = tasks.stop_signal();
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(1..) = stop.run_until_cancelled(records.recv_many(&mut batch, BATCH)).await {
        write(&store, &mut batch, Deadline::after(WRITE_TIMEOUT)).await;
    }
    records.close();
    let deadline = Deadline::after(WRITE_TIMEOUT);
    while records.recv_many(&mut batch, BATCH).await > 0 {
        write(&store, &mut batch, deadline).await;
    }
}

async fn write(store: &LoginAudit, batch: &mut Vec<LoginRecord>, deadline: Deadline) {
    let count = batch.len();
    if let Err(error) = store.insert(batch.drain(..), deadline).await {
        tracing::warn!(%error, count, "dropped login records");
        dropped(count);
    }
}

fn dropped(count: usize) {
    metrics::counter!("login_audit_dropped_total").increment(u64::try_from(count).unwrap_or(u64::MAX));
}
