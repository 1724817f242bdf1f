//! The relay: publishes the entries of the outbox, and marks them as sent once the broker has acknowledged them.
//!
//! A lease lets one replica publish a shard at a time. That is an optimisation; correctness does not depend on it: two
//! that overlap publish the same events twice, and consumers drop events that they have applied.

use std::convert::Infallible;
use std::time::Duration;

use futures::TryStreamExt as _;
use mongo::{Lease, Policy, bounded, to_bson_time};
use mongodb::bson::{DateTime, Uuid, doc};
use service::{Deadline, OnFailure, Tasks};
use tokio::sync::watch;
use tokio::time::Instant;

use super::entry::EntryDocument;
use super::schema::UNSENT;
use super::wake::watch_entries;
use super::{COLLECTION, Outbox};
use crate::KafkaConfig;
use crate::kafka::{PublishError, Publisher};

/// How long a replica that publishes a shard may be silent before another takes over.
const LEASE: Duration = Duration::from_secs(15);
/// How long a query of the outbox, or marking entries as sent, may take.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pauses after rounds that failed double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often the waiting entries are counted.
const COUNT_PERIOD: Duration = Duration::from_secs(1);
/// The highest count.
const MAX_COUNT: i64 = 100_000;

/// Why a round has failed. The next one retries.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error(transparent)]
    Store(#[from] mongo::Error),
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// The outcome of a round.
enum Round {
    /// Published all entries that it has read; there may be more.
    Sent,
    /// Found nothing to publish.
    Idle,
    /// Another replica publishes this shard.
    NotOurs,
}

impl Outbox {
    /// Publishes entries until the process stops, with one task for each shard.
    pub fn relay(&self, kafka: &KafkaConfig, tasks: &Tasks) {
        let (wake, woken) = watch::channel(());
        tasks.spawn("outbox-wake", OnFailure::Stop, watch_entries(self.clone(), wake, tasks.clone()));
        for shard in 0..self.config.shards.get() {
            let relay = Relay {
                outbox: self.clone(),
                shard,
                lease: Lease::new(&self.db, &format!("outbox-{}-{shard}", self.source), LEASE),
                publisher: Publisher::new(kafka.clone(), self.source),
                woken: woken.clone(),
                counted_at: None,
            };
            tasks.spawn("outbox-relay", OnFailure::Stop, relay.run(tasks.clone()));
        }
    }
}

struct Relay {
    outbox: Outbox,
    shard: u32,
    lease: Lease,
    publisher: Publisher,
    woken: watch::Receiver<()>,
    counted_at: Option<Instant>,
}

impl Relay {
    async fn run(mut self, tasks: Tasks) -> Result<(), Infallible> {
        let stop = tasks.stop_signal();
        let mut pause = FIRST_PAUSE;
        loop {
            // An entry that is written from here on is read by this round or wakes the next one.
            self.woken.mark_unchanged();
            let Some(round) = stop.run_until_cancelled(self.round()).await else { break };
            if round.is_ok() {
                pause = FIRST_PAUSE;
            }
            let wait = match round {
                Ok(Round::Sent) => continue,
                Ok(Round::Idle) => stop.run_until_cancelled(self.wait_to_be_woken()).await,
                Ok(Round::NotOurs) => stop.run_until_cancelled(tokio::time::sleep(LEASE / 10)).await,
                Err(error) => {
                    metrics::counter!("outbox_publish_failures_total").increment(1);
                    tracing::warn!(shard = self.shard, ?error, "events could not be published");
                    let paused = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    paused
                }
            };
            if wait.is_none() {
                break;
            }
        }
        if let Err(error) = self.lease.release(Deadline::after(DATABASE_TIMEOUT)).await {
            tracing::warn!(?error, "the lease of the outbox could not be released");
        }
        Ok(())
    }

    /// Waits until an entry is written, or for the poll period.
    async fn wait_to_be_woken(&mut self) {
        tokio::select! {
            () = tokio::time::sleep(self.outbox.config.poll_period()) => {}
            Ok(()) = self.woken.changed() => {}
        }
    }

    /// Publishes the oldest unsent entries.
    async fn round(&mut self) -> Result<Round, RelayError> {
        if !self.lease.hold(Deadline::after(DATABASE_TIMEOUT)).await? {
            // The replica that publishes the shard reports its lag.
            self.report(None).await?;
            return Ok(Round::NotOurs);
        }
        let entries = self.unsent().await?;
        self.report(entries.first()).await?;
        if entries.is_empty() {
            return Ok(Round::Idle);
        }
        let records = entries.iter().flat_map(EntryDocument::records).collect::<Result<Vec<_>, _>>()?;
        let outcomes = self.publisher.publish(records).await?;
        let (sent, failure) = acknowledged(entries.iter().map(|entry| (entry.id, entry.events.len())), outcomes);
        self.mark(sent).await?;
        match failure {
            None => Ok(Round::Sent),
            Some(error) => Err(error.into()),
        }
    }

    async fn unsent(&self) -> Result<Vec<EntryDocument>, mongo::Error> {
        let Outbox { db, source, config, .. } = &self.outbox;
        let entries = db.collection::<EntryDocument>(Policy::Snapshot, COLLECTION);
        let shard = i32::try_from(self.shard).unwrap_or(i32::MAX);
        let filter = doc! { "source": source, "shard": shard, "unsent": true };
        let limit = i64::from(config.round_entries.get());
        bounded(Deadline::after(DATABASE_TIMEOUT), |left| async move {
            let mut snapshot = db.snapshot().await?;
            let find = entries.find(filter).sort(doc! { "at": 1, "_id": 1 }).limit(limit).max_time(left);
            let mut cursor = find.session(&mut snapshot).await?;
            cursor.stream(&mut snapshot).try_collect().await
        })
        .await
    }

    async fn mark(&self, sent: Vec<Uuid>) -> Result<(), mongo::Error> {
        if sent.is_empty() {
            return Ok(());
        }
        let now = primitives::now();
        let count = u64::try_from(sent.len()).unwrap_or(u64::MAX);
        let times = doc! {
            "sentAt": to_bson_time(now),
            "forgetAt": to_bson_time(now + self.outbox.config.retention()),
        };
        let update = doc! { "$set": times, "$unset": { "unsent": "" } };
        let filter = doc! { "_id": { "$in": sent } };
        let marked = |_| self.outbox.entries.update_many(filter, update);
        bounded(Deadline::after(DATABASE_TIMEOUT), marked).await?;
        metrics::counter!("outbox_sent_entries_total").increment(count);
        Ok(())
    }

    /// Counts the waiting entries, up to a bound.
    async fn count(&self) -> Result<i32, mongo::Error> {
        let filter = doc! { "source": self.outbox.source, "shard": i64::from(self.shard), "unsent": true };
        let counted = bounded(Deadline::after(DATABASE_TIMEOUT), |_| {
            let command = doc! { "count": COLLECTION, "query": filter, "limit": MAX_COUNT, "hint": UNSENT };
            self.outbox.db.database().run_command(command)
        });
        Ok(counted.await?.get_i32("n").unwrap_or_default())
    }

    /// Reports the number of waiting entries and the age of the oldest as metrics.
    async fn report(&mut self, oldest: Option<&EntryDocument>) -> Result<(), mongo::Error> {
        let shard = self.shard.to_string();
        let age = oldest.map(|entry| age_seconds(entry.at)).unwrap_or_default();
        metrics::gauge!("outbox_lag_seconds", "shard" => shard.clone()).set(age);
        let waiting = if oldest.is_none() {
            0
        } else if self.counted_at.is_some_and(|at| at.elapsed() < COUNT_PERIOD) {
            return Ok(());
        } else {
            self.counted_at = Some(Instant::now());
            self.count().await?
        };
        metrics::gauge!("outbox_lag_entries", "shard" => shard).set(f64::from(waiting));
        Ok(())
    }
}

/// The entries of which all events were acknowledged, and the last failure of the others. An entry is given with its
/// number of events; outcomes are in the order of entries and their events.
fn acknowledged(
    entries: impl IntoIterator<Item = (Uuid, usize)>,
    outcomes: Vec<Result<(), PublishError>>,
) -> (Vec<Uuid>, Option<PublishError>) {
    let mut outcomes = outcomes.into_iter();
    let (mut sent, mut failure) = (Vec::new(), None);
    for (entry, events) in entries {
        let failed = outcomes.by_ref().take(events).filter_map(Result::err).last();
        match failed {
            None => sent.push(entry),
            Some(error) => failure = Some(error),
        }
    }
    (sent, failure)
}

fn age_seconds(at: DateTime) -> f64 {
    let ms = primitives::now().as_millisecond().saturating_sub(at.timestamp_millis()).max(0);
    Duration::from_millis(ms.unsigned_abs()).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_sent_when_all_its_events_are_acknowledged() {
        let entries = [1, 2, 3].map(|byte| Uuid::from_bytes([byte; 16]));
        let with_events = || entries.into_iter().zip([2, 2, 1]);
        let lost = || Err(PublishError::NoAnswer);
        let (sent, failure) = acknowledged(with_events(), vec![Ok(()); 5]);
        assert!(sent == entries && failure.is_none());
        let (sent, failure) = acknowledged(with_events(), vec![Ok(()), Ok(()), lost(), Ok(()), Ok(())]);
        assert_eq!(sent, [entries[0], entries[2]]);
        assert!(matches!(failure, Some(PublishError::NoAnswer)));
    }
}
