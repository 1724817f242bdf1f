//! Ends transactions that nobody goes on with. When a process is killed, its open transactions keep what they wrote
//! locked until the server gives them up, `transactionLifetimeLimitSeconds` later: a minute, unless it is set, in which
//! nobody else can sell what the dead process was about to.

use std::collections::HashMap;
use std::time::Duration;

use futures::TryStreamExt as _;
use mongodb::bson::{Uuid, doc};
use serde::Deserialize;
use service::{Deadline, OnFailure};
use tokio::time::{Instant, MissedTickBehavior};

use crate::{Db, Error, bounded};

/// How long a transaction may stand still. Ours never wait for anything but the database, and one that is ended although
/// its process lives is tried again there.
const STANDSTILL: Duration = Duration::from_secs(2);
/// How often they are looked at.
const PERIOD: Duration = Duration::from_millis(500);
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

impl Db {
    /// Ends, from now until the process stops, the transactions of processes with the same user and application name that
    /// have stood still for two seconds. Needs no privilege, and may be done by any number of processes.
    pub fn end_abandoned_transactions(&self) {
        let db = self.clone();
        self.tasks.spawn("abandoned-transactions", OnFailure::Stop, async move {
            db.watch_transactions().await;
            Ok::<_, Error>(())
        });
    }

    async fn watch_transactions(self) {
        let stop = self.tasks.stop_signal();
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut seen, mut fails) = (HashMap::new(), false);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match self.end_those_that_stand_still(&mut seen).await {
                Ok(()) => fails = false,
                // Said once: nobody is primary for a while, or the user may not look.
                Err(error) if !fails => {
                    tracing::warn!(%error, "open transactions can't be looked at");
                    fails = true;
                }
                Err(_) => {}
            }
        }
    }

    async fn end_those_that_stand_still(&self, seen: &mut HashMap<Idle, Instant>) -> Result<(), Error> {
        let deadline = Deadline::after(LOOK_TIMEOUT);
        let now = Instant::now();
        let idle = self.idle_transactions(deadline).await?.into_iter().map(|idle| {
            let since = seen.get(&idle).copied().unwrap_or(now);
            (idle, since)
        });
        let (ended, others): (HashMap<_, _>, _) =
            idle.partition(|(_, since)| now.duration_since(*since) >= STANDSTILL);
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
