//! The inbox: applies events, records them and parks those of parked keys, in one transaction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, TryStreamExt as _};
use jiff::Timestamp;
use mongo::{Abort, Db, Policy, TransactError, bounded, to_bson_time, to_bson_uuid};
use mongodb::bson::{Binary, DateTime, Uuid, doc, spec::BinarySubtype};
use mongodb::error::Error as DriverError;
use mongodb::{ClientSession, Collection};
use primitives::EventId;
use serde::{Deserialize, Serialize};
use service::Deadline;

use super::{Effect, Refused};
use crate::{ConsumerConfig, Received};

pub(super) const INBOX: &str = "inbox";
pub(super) const PARKED_KEYS: &str = "parked_keys";
pub(super) const PARKED_EVENTS: &str = "parked_events";

/// The record of an event that a group has applied or parked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InboxDocument {
    #[serde(rename = "_id")]
    id: InboxId,
    /// When the event happened, and when it was applied.
    occurred_at: DateTime,
    at: DateTime,
    forget_at: DateTime,
    /// Set while the event is parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parked: Option<bool>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct InboxId {
    group: String,
    pub(super) event: Uuid,
}

/// A key whose events are parked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ParkedKey {
    #[serde(rename = "_id")]
    pub(super) id: KeyId,
    /// The number of the next event.
    pub(super) next: i64,
    pub(super) waiting: i64,
    pub(super) since: DateTime,
    pub(super) reason: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeyId {
    pub(super) group: String,
    pub(super) key: String,
}

/// A parked event. The events of a key are numbered in their order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ParkedEvent {
    #[serde(rename = "_id")]
    pub(super) id: InboxId,
    pub(super) group: String,
    pub(super) key: String,
    pub(super) number: i64,
    pub(super) kind: String,
    pub(super) payload: Binary,
    pub(super) since: DateTime,
}

/// Those of these events that a group has recorded: applied, or parked to be applied later. At most 1,000 at once.
pub async fn recorded(
    db: &Db,
    group: &str,
    events: &[EventId],
    deadline: Deadline,
) -> Result<HashSet<EventId>, mongo::Error> {
    let inbox = db.collection::<InboxDocument>(Policy::Ledger, INBOX);
    let ids = events.iter().map(|event| doc! { "group": group, "event": to_bson_uuid(event.as_uuid()) });
    let filter = doc! { "_id": { "$in": ids.collect::<Vec<_>>() } };
    let cursor = bounded(deadline, |left| inbox.find(filter).max_time(left)).await?;
    let found: Vec<InboxDocument> = bounded(deadline, |_| cursor.try_collect()).await?;
    Ok(found.into_iter().map(|one| mongo::from_bson_uuid(one.id.event).into()).collect())
}

/// The outcome of a batch, in events.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Applied {
    pub(super) applied: u64,
    pub(super) duplicates: u64,
    pub(super) parked: u64,
}

/// The inbox of a consumer group.
pub(super) struct Inbox<E: Effect> {
    store: Store,
    effect: Arc<E>,
}

#[derive(Clone)]
pub(super) struct Store {
    pub(super) db: Db,
    pub(super) group: &'static str,
    remember_for: Duration,
    pub(super) inbox: Collection<InboxDocument>,
    pub(super) keys: Collection<ParkedKey>,
    pub(super) events: Collection<ParkedEvent>,
}

impl<E: Effect> Inbox<E> {
    pub(super) fn new(db: Db, group: &'static str, effect: E, config: &ConsumerConfig) -> Self {
        let inbox = db.collection(Policy::Ledger, INBOX);
        let keys = db.collection(Policy::Ledger, PARKED_KEYS);
        let events = db.collection(Policy::Ledger, PARKED_EVENTS);
        let store = Store { db, group, remember_for: config.remember_for(), inbox, keys, events };
        Self { store, effect: Arc::new(effect) }
    }

    pub(super) fn effect(&self) -> &Arc<E> {
        &self.effect
    }

    pub(super) fn group(&self) -> &'static str {
        self.store.group
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Applies events that were not applied yet, in their order. Those of parked keys are parked; with `park`, all of
    /// them are, for that reason.
    pub(super) async fn apply(
        &self,
        events: &[&(Received, E::Item)],
        park: Option<&str>,
        deadline: Deadline,
    ) -> Result<Applied, TransactError<Refused>> {
        if events.is_empty() {
            return Ok(Applied::default());
        }
        let batch: Arc<[_]> = events.iter().map(|event| (*event).clone()).collect();
        let (store, effect) = (self.store.clone(), self.effect.clone());
        let park = park.map(str::to_owned);
        let applied = self.store.db.transact(deadline, move |session| {
            let (store, effect, batch, park) = (store.clone(), effect.clone(), batch.clone(), park.clone());
            async move { apply_in(&store, effect.as_ref(), session, &batch, park.as_deref()).await }.boxed()
        });
        applied.await
    }
}

async fn apply_in<E: Effect>(
    store: &Store,
    effect: &E,
    session: &mut ClientSession,
    batch: &[(Received, E::Item)],
    park: Option<&str>,
) -> Result<Applied, Abort<Refused>> {
    let mut seen = store.known(session, batch.iter().map(|(event, _)| event.id)).await?;
    let fresh: Vec<_> = batch.iter().filter(|(event, _)| seen.insert(event.id)).collect();
    let duplicates = count(batch.len() - fresh.len());
    if fresh.is_empty() {
        return Ok(Applied { duplicates, ..Applied::default() });
    }
    let mut keys = store.parked_keys(session, &fresh).await?;
    if let Some(reason) = park {
        for (event, _) in &fresh {
            keys.entry(event.key.clone()).or_insert_with(|| store.new_key(&event.key, reason));
        }
    }
    let (parked, live): (Vec<_>, Vec<_>) = fresh.into_iter().partition(|(event, _)| keys.contains_key(&event.key));
    let now = primitives::now();
    let records = live.iter().map(|(event, _)| store.record(event, now, None));
    let records = records.chain(parked.iter().map(|(event, _)| store.record(event, now, Some(true))));
    store.inbox.insert_many(records).session(&mut *session).await.map_err(conflict)?;
    if !parked.is_empty() {
        store.park(session, keys, parked.iter().map(|(event, _)| event)).await?;
    }
    if !live.is_empty() {
        let items: Vec<_> = live.iter().map(|(_, item)| item.clone()).collect();
        effect.apply(session, &items).await?;
    }
    Ok(Applied { applied: count(live.len()), duplicates, parked: count(parked.len()) })
}

/// Retries when another process has just recorded one of the events; a new snapshot has that record.
fn conflict(error: DriverError) -> Abort<Refused> {
    if mongo::duplicate_key_index(&error).is_some() { Abort::Again } else { Abort::Driver(error) }
}

impl Store {
    async fn known(
        &self,
        session: &mut ClientSession,
        events: impl Iterator<Item = EventId>,
    ) -> Result<HashSet<EventId>, DriverError> {
        let ids: Vec<_> = events.map(|event| self.inbox_id(event)).collect();
        let mut cursor = self.inbox.find(doc! { "_id": { "$in": ids } }).session(&mut *session).await?;
        let known: Vec<InboxDocument> = cursor.stream(session).try_collect().await?;
        Ok(known.into_iter().map(|one| mongo::from_bson_uuid(one.id.event).into()).collect())
    }

    async fn parked_keys<I>(
        &self,
        session: &mut ClientSession,
        events: &[&(Received, I)],
    ) -> Result<HashMap<String, ParkedKey>, DriverError> {
        let keys: HashSet<_> = events.iter().map(|(event, _)| event.key.as_str()).collect();
        let ids: Vec<_> = keys.into_iter().map(|key| doc! { "group": self.group, "key": key }).collect();
        let mut cursor = self.keys.find(doc! { "_id": { "$in": ids } }).session(&mut *session).await?;
        let keys: Vec<ParkedKey> = cursor.stream(session).try_collect().await?;
        Ok(keys.into_iter().map(|key| (key.id.key.clone(), key)).collect())
    }

    fn new_key(&self, key: &str, reason: &str) -> ParkedKey {
        ParkedKey {
            id: KeyId { group: self.group.to_owned(), key: key.to_owned() },
            next: 0,
            waiting: 0,
            since: to_bson_time(primitives::now()),
            reason: reason.to_owned(),
        }
    }

    /// Parks events behind the parked events of their keys.
    async fn park<'a>(
        &self,
        session: &mut ClientSession,
        mut keys: HashMap<String, ParkedKey>,
        events: impl Iterator<Item = &'a Received>,
    ) -> Result<(), DriverError> {
        let mut parked = Vec::new();
        let mut touched = HashSet::new();
        for event in events {
            let Some(key) = keys.get_mut(&event.key) else { continue };
            touched.insert(event.key.clone());
            parked.push(ParkedEvent {
                id: InboxId { group: self.group.to_owned(), event: to_bson_uuid(event.id.as_uuid()) },
                group: self.group.to_owned(),
                key: event.key.clone(),
                number: key.next,
                kind: event.payload.kind().to_owned(),
                payload: Binary { subtype: BinarySubtype::Generic, bytes: event.payload.encode() },
                since: to_bson_time(primitives::now()),
            });
            key.next += 1;
            key.waiting += 1;
        }
        self.events.insert_many(parked).session(&mut *session).await?;
        for key in touched.iter().filter_map(|key| keys.get(key)) {
            let filter = doc! { "_id": { "group": self.group, "key": &key.id.key } };
            self.keys.replace_one(filter, key).upsert(true).session(&mut *session).await?;
        }
        Ok(())
    }

    pub(super) fn record(&self, event: &Received, now: Timestamp, parked: Option<bool>) -> InboxDocument {
        InboxDocument {
            id: InboxId { group: self.group.to_owned(), event: to_bson_uuid(event.id.as_uuid()) },
            occurred_at: to_bson_time(event.at),
            at: to_bson_time(now),
            forget_at: to_bson_time(now + self.remember_for),
            parked,
        }
    }

    pub(super) fn inbox_id(&self, event: EventId) -> mongodb::bson::Document {
        doc! { "group": self.group, "event": to_bson_uuid(event.as_uuid()) }
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
