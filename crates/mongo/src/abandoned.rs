//! Ends abandoned transactions. When a process is killed, its open transactions keep their writes locked until the
//! server aborts them after `transactionLifetimeLimitSeconds`: a minute by default, in which no other process can sell
//! the same stock.

use std::collections::HashMap;
use std::time::Duration;

use futures::TryStreamExt as _;
use mongodb::bson::{Uuid, doc};
use serde::Deserialize;
use service::{Deadline, OnFailure};
use tokio::time::{Instant, sleep, timeout};

use crate::conflicts::Conflicts;
use crate::{Db, Error, bounded};

/// How long a transaction may be idle. Ours wait for nothing but the database, and one that is ended while its process
/// lives is retried there.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);
/// The pause between two scans as a multiple of the time of a scan. The server goes through all sessions of the last
/// half hour, which takes a tenth of a second after many restarts.
const CALM: u32 = 50;
/// The multiple after a conflict between transactions, and for how long it applies: an abandoned one may be the cause.
const ALERT: u32 = 4;
const ALERT_TIME: Duration = Duration::from_secs(4);
/// The bounds of the pause. A scan is also slow while there is no primary, which does not make the next one slow.
const MIN_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// How long one scan may take.
const SCAN_TIMEOUT: Duration = Duration::from_secs(2);
/// The most transactions of a scan. More are idle only while the database itself hangs.
const MAX_TRANSACTIONS: i64 = 1_000;

/// An idle transaction at one point of its work.
#[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Idle {
    /// The id of the session.
    session: Uuid,
    transaction: i64,
    /// Its working time so far, which grows if it resumes.
    active_us: i64,
}

/// Waits before the next scan, which follows one that took `took`.
async fn pause(conflicts: &Conflicts, took: Duration) {
    let [short, long] = [ALERT, CALM].map(|times| (times * took).clamp(MIN_PAUSE, MAX_PAUSE));
    sleep(short).await;
    if !conflicts.is_recent(ALERT_TIME) {
        // Ends early at a conflict.
        let _ = timeout(long - short, conflicts.next()).await;
    }
}

impl Db {
    /// Ends transactions that have been idle for two seconds, from now until the process stops: those of all processes
    /// with the same user and application name. Needs no privilege; any number of processes may do it.
    pub fn end_abandoned_transactions(&self) {
        let db = self.clone();
        self.tasks.spawn("abandoned-transactions", OnFailure::Stop, async move {
            db.scan_transactions().await;
            Ok::<_, Error>(())
        });
    }

    async fn scan_transactions(self) {
        let stop = self.tasks.stop_signal();
        let (mut seen, mut fails, mut took) = (HashMap::new(), false, Duration::ZERO);
        while stop.run_until_cancelled(pause(&self.conflicts, took)).await.is_some() {
            let began = Instant::now();
            match self.end_idle_transactions(&mut seen).await {
                Ok(()) => fails = false,
                // Logged once: there is no primary for a while, or the user lacks the privilege.
                Err(error) if !fails => {
                    tracing::warn!(%error, "open transactions can't be listed");
                    fails = true;
                }
                Err(_) => {}
            }
            took = began.elapsed();
        }
    }

    async fn end_idle_transactions(&self, seen: &mut HashMap<Idle, Instant>) -> Result<(), Error> {
        let deadline = Deadline::after(SCAN_TIMEOUT);
        let now = Instant::now();
        let idle = self.idle_transactions(deadline).await?.into_iter().map(|idle| {
            let since = seen.get(&idle).copied().unwrap_or(now);
            (idle, since)
        });
        let (ended, others): (HashMap<_, _>, _) =
            idle.partition(|(_, since)| now.duration_since(*since) >= IDLE_TIMEOUT);
        *seen = others;
        if ended.is_empty() {
            return Ok(());
        }
        let sessions: Vec<_> = ended.into_keys().map(|idle| doc! { "id": idle.session }).collect();
        metrics::counter!("mongo_transactions_abandoned_total")
            .increment(sessions.len().try_into().unwrap_or(u64::MAX));
        tracing::warn!(transactions = sessions.len(), "ending abandoned transactions");
        let kill = doc! { "killSessions": sessions };
        let admin = self.client.database("admin");
        bounded(deadline, |_| admin.run_command(kill)).await?;
        Ok(())
    }

    async fn idle_transactions(&self, deadline: Deadline) -> Result<Vec<Idle>, Error> {
        let scan = [
            doc! { "$currentOp": { "allUsers": false, "idleSessions": true } },
            doc! { "$match": {
                "type": "idleSession",
                "appName": &self.app_name,
                "transaction.parameters.txnNumber": { "$exists": true },
            } },
            doc! { "$limit": MAX_TRANSACTIONS },
            doc! { "$project": {
                "session": "$lsid.id",
                "transaction": "$transaction.parameters.txnNumber",
                "activeUs": "$transaction.timeActiveMicros",
            } },
        ];
        let admin = self.client.database("admin");
        let found = bounded(deadline, |left| admin.aggregate(scan).with_type().max_time(left)).await?;
        Ok(deadline.bound(found.try_collect()).await??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn slow_scans_are_rare_until_there_is_a_conflict() {
        let conflicts = Conflicts::default();
        let lasts = async |took, after| {
            let began = Instant::now();
            let conflict = async {
                if let Some(after) = after {
                    sleep(after).await;
                    conflicts.note();
                }
            };
            tokio::join!(pause(&conflicts, took), conflict);
            began.elapsed()
        };
        let long = Duration::from_millis(150);
        assert_eq!(lasts(Duration::from_millis(2), None).await, MIN_PAUSE);
        assert_eq!(lasts(long, None).await, CALM * long);
        assert_eq!(lasts(SCAN_TIMEOUT, None).await, MAX_PAUSE);
        assert_eq!(lasts(long, Some(Duration::from_secs(1))).await, Duration::from_secs(1));
        assert_eq!(lasts(long, None).await, ALERT * long);
        sleep(ALERT_TIME).await;
        assert_eq!(lasts(long, None).await, CALM * long);
    }
}
