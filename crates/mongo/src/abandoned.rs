//! Ends transactions that nobody goes on with. When a process is killed, its open transactions keep what they wrote
//! locked until the server gives them up, `transactionLifetimeLimitSeconds` later: a minute, unless it is set, in which
//! nobody else can sell what the dead process was about to.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::TryStreamExt as _;
use mongodb::bson::{Uuid, doc};
use serde::Deserialize;
use service::{Deadline, OnFailure};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::{Db, Error, bounded};

/// How long a transaction may stand still. Ours never wait for anything but the database, and one that is ended
/// although its process lives is tried again there.
const STANDSTILL: Duration = Duration::from_secs(2);
/// How often they are looked at, at most.
const PERIOD: Duration = Duration::from_millis(500);
/// How many times longer than a look the pause after it is. The server goes through all sessions of the last half hour
/// for each look, which after many restarts takes it a tenth of a second.
const CALM: u32 = 50;
/// The same while transactions have to begin again, and for how long after one had to: one that stands still may be
/// why.
const ALERT: u32 = 4;
const ALERT_TIME: Duration = Duration::from_secs(4);
/// The longest pause: a look also takes long while nobody is primary, which says nothing of the next one.
const LONGEST: Duration = Duration::from_secs(10);
/// How long one look may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
/// The most transactions that are looked at. More than that stand still only while the database itself does.
const MOST: i64 = 1_000;

/// One transaction at one point of its work.
#[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Idle {
    /// The id of its session.
    session: Uuid,
    transaction: i64,
    /// How long it has worked so far: more, once it has gone on.
    active_us: i64,
}

/// When a transaction last had to begin again.
#[derive(Debug, Default)]
pub(crate) struct Conflicts {
    last: Mutex<Option<Instant>>,
    another: Notify,
}

impl Conflicts {
    pub(crate) fn note(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.another.notify_one();
    }

    fn are_recent(&self) -> bool {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < ALERT_TIME)
    }

    /// After a look that took so long.
    async fn pause(&self, took: Duration) {
        let [short, long] = [ALERT, CALM].map(|times| (times * took).clamp(PERIOD, LONGEST));
        sleep(short).await;
        if !self.are_recent() {
            // Either it is time, or something has met a conflict.
            let _ = timeout(long - short, self.another.notified()).await;
        }
    }
}

impl Db {
    /// Ends, from now until the process stops, the transactions of processes with the same user and application name
    /// that have stood still for two seconds. Needs no privilege, and may be done by any number of processes.
    pub fn end_abandoned_transactions(&self) {
        let db = self.clone();
        self.tasks.spawn("abandoned-transactions", OnFailure::Stop, async move {
            db.watch_transactions().await;
            Ok::<_, Error>(())
        });
    }

    async fn watch_transactions(self) {
        let stop = self.tasks.stop_signal();
        let (mut seen, mut fails, mut took) = (HashMap::new(), false, Duration::ZERO);
        while stop.run_until_cancelled(self.conflicts.pause(took)).await.is_some() {
            let began = Instant::now();
            match self.end_those_that_stand_still(&mut seen).await {
                Ok(()) => fails = false,
                // Said once: nobody is primary for a while, or the user may not look.
                Err(error) if !fails => {
                    tracing::warn!(%error, "open transactions can't be looked at");
                    fails = true;
                }
                Err(_) => {}
            }
            took = began.elapsed();
        }
    }

    async fn end_those_that_stand_still(&self, seen: &mut HashMap<Idle, Instant>) -> Result<(), Error> {
        let deadline = Deadline::after(LOOK_TIMEOUT);
        let now = Instant::now();
        let idle = self.idle_transactions(deadline).await?.into_iter().map(|idle| {
            let since = seen.get(&idle).copied().unwrap_or(now);
            (idle, since)
        });
        let (ended, others): (HashMap<_, _>, _) = idle.partition(|(_, since)| now.duration_since(*since) >= STANDSTILL);
        *seen = others;
        if ended.is_empty() {
            return Ok(());
        }
        let sessions: Vec<_> = ended.into_keys().map(|idle| doc! { "id": idle.session }).collect();
        metrics::counter!("mongo_transactions_abandoned_total")
            .increment(sessions.len().try_into().unwrap_or(u64::MAX));
        tracing::warn!(transactions = sessions.len(), "ending transactions that nobody goes on with");
        let kill = doc! { "killSessions": sessions };
        let admin = self.client.database("admin");
        bounded(deadline, |_| admin.run_command(kill)).await?;
        Ok(())
    }

    async fn idle_transactions(&self, deadline: Deadline) -> Result<Vec<Idle>, Error> {
        let look = [
            doc! { "$currentOp": { "allUsers": false, "idleSessions": true } },
            doc! { "$match": {
                "type": "idleSession",
                "appName": &self.app_name,
                "transaction.parameters.txnNumber": { "$exists": true },
            } },
            doc! { "$limit": MOST },
            doc! { "$project": {
                "session": "$lsid.id",
                "transaction": "$transaction.parameters.txnNumber",
                "activeUs": "$transaction.timeActiveMicros",
            } },
        ];
        let admin = self.client.database("admin");
        let found = bounded(deadline, |left| admin.aggregate(look).with_type().max_time(left)).await?;
        Ok(deadline.bound(found.try_collect()).await??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn looks_that_take_long_are_rare_until_there_is_a_conflict() {
        let conflicts = Conflicts::default();
        let lasts = async |took, after| {
            let began = Instant::now();
            let conflict = async {
                if let Some(after) = after {
                    sleep(after).await;
                    conflicts.note();
                }
            };
            tokio::join!(conflicts.pause(took), conflict);
            began.elapsed()
        };
        let long = Duration::from_millis(150);
        assert_eq!(lasts(Duration::from_millis(2), None).await, PERIOD);
        assert_eq!(lasts(long, None).await, CALM * long);
        assert_eq!(lasts(LOOK_TIMEOUT, None).await, LONGEST);
        assert_eq!(lasts(long, Some(Duration::from_secs(1))).await, Duration::from_secs(1));
        assert_eq!(lasts(long, None).await, ALERT * long);
        sleep(ALERT_TIME).await;
        assert_eq!(lasts(long, None).await, CALM * long);
    }
}
