//! Retries parked keys, the events of each in order; one process at a time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, TryStreamExt as _};
use mongo::{Abort, Lease, TransactError, bounded, to_bson_time};
use mongodb::ClientSession;
use mongodb::bson::{Uuid, doc};
use primitives::EventId;
use rdkafka::message::{Header, OwnedHeaders};
use service::{Deadline, Tasks};

use super::inbox::{ParkedEvent, ParkedKey, Store};
use super::worker::{APPLY_TIMEOUT, reason};
use super::{Core, Effect, Refused};
use crate::Received;
use crate::kafka::{DeadLetter, HEADER_ID, HEADER_TYPE};

/// How long the process that retries may be silent before another takes over.
const LEASE: Duration = Duration::from_secs(30);
/// The most keys of a round, and the most batches of a key in it.
const MAX_KEYS: i64 = 1_000;
const MAX_BATCHES: usize = 1_000;

/// Retries until the process stops.
pub(super) async fn retry<E: Effect>(core: Arc<Core<E>>, tasks: Tasks) -> Result<(), Infallible> {
    let stop = tasks.stop_signal();
    let store = core.inbox.store();
    let mut lease = Lease::new(&store.db, &format!("parked-{}", store.group), LEASE);
    let period = core.config.parked_period();
    while stop.run_until_cancelled(tokio::time::sleep(period)).await.is_some() {
        if let Err(error) = round(&core, &mut lease).await {
            tracing::warn!(?error, "parked events could not be retried");
        }
    }
    if let Err(error) = lease.release(Deadline::after(APPLY_TIMEOUT)).await {
        tracing::warn!(?error, "the lease of parked events could not be released");
    }
    Ok(())
}

async fn round<E: Effect>(core: &Core<E>, lease: &mut Lease) -> Result<(), mongo::Error> {
    let deadline = || Deadline::after(APPLY_TIMEOUT);
    let store = core.inbox.store();
    let parked = metrics::gauge!("consumer_parked_events", "group" => store.group);
    if !lease.hold(deadline()).await? {
        // The process that holds the lease reports the number.
        parked.set(0.0);
        return Ok(());
    }
    let from = doc! { "group": store.group, "key": "" };
    let filter = doc! { "_id": { "$gte": from, "$lt": { "group": format!("{}\0", store.group) } } };
    let find = |left| store.keys.find(filter).sort(doc! { "_id": 1 }).limit(MAX_KEYS).max_time(left);
    let cursor = bounded(deadline(), find).await?;
    let keys: Vec<ParkedKey> = bounded(deadline(), |_| cursor.try_collect()).await?;
    let waiting: i64 = keys.iter().map(|key| key.waiting).sum();
    parked.set(f64::from(i32::try_from(waiting).unwrap_or(i32::MAX)));
    for key in keys {
        if !lease.hold(deadline()).await? {
            break;
        }
        // A key that fails does not hold up the others.
        if let Err(error) = drain_key(core, &key, lease).await {
            tracing::warn!(?error, group = store.group, key = key.id.key, "a parked key could not be retried");
        }
    }
    Ok(())
}

/// Applies the parked events of a key batch by batch as long as that succeeds, so that the key is emptied while further
/// events are parked.
async fn drain_key<E: Effect>(core: &Core<E>, key: &ParkedKey, lease: &mut Lease) -> Result<(), mongo::Error> {
    for _ in 0..MAX_BATCHES {
        if !try_key(core, key).await? || !lease.hold(Deadline::after(APPLY_TIMEOUT)).await? {
            break;
        }
    }
    Ok(())
}

/// Applies a batch of the parked events of a key or, if that fails, the first event alone, which becomes a dead letter
/// when it has been parked for too long. Returns whether there may be more to apply at once.
async fn try_key<E: Effect>(core: &Core<E>, key: &ParkedKey) -> Result<bool, mongo::Error> {
    let deadline = Deadline::after(APPLY_TIMEOUT);
    let store = core.inbox.store();
    let most = i64::from(core.config.max_batch.get());
    let filter = doc! { "group": store.group, "key": &key.id.key };
    let find = |left| store.events.find(filter).sort(doc! { "number": 1 }).limit(most).max_time(left);
    let cursor = bounded(deadline, find).await?;
    let events: Vec<ParkedEvent> = bounded(deadline, |_| cursor.try_collect()).await?;
    let Some(first) = events.first() else { return Ok(false) };
    let failure = match apply(core, &events).await {
        Ok(()) => return Ok(true),
        Err(failure) => failure,
    };
    let failure = match events.get(..1) {
        Some(alone) if events.len() > 1 => match apply(core, alone).await {
            Ok(()) => return Ok(true),
            Err(failure) => failure,
        },
        _ => failure,
    };
    let why = reason(&failure);
    tracing::warn!(group = store.group, key = key.id.key, reason = why, "a parked key can't be applied yet");
    if core.retries.gives_up(first.since.timestamp_millis(), primitives::now()) {
        return give_up(core, first, &why).await;
    }
    Ok(false)
}

async fn apply<E: Effect>(core: &Core<E>, parked: &[ParkedEvent]) -> Result<(), TransactError<Refused>> {
    let mut items = Vec::with_capacity(parked.len());
    for event in parked {
        let id: EventId = mongo::from_bson_uuid(event.id.event).into();
        let read = Received::decode(id, &event.kind, &event.payload.bytes).map_err(|error| error.to_string());
        let item = read.and_then(|read| core.inbox.effect().read(&read));
        items.push(item.map_err(|reason| TransactError::Refused(Refused(reason)))?);
    }
    let (store, effect) = (core.inbox.store().clone(), core.inbox.effect().clone());
    let (items, ids): (Arc<[_]>, Vec<Uuid>) = (items.into(), parked.iter().map(|event| event.id.event).collect());
    let key = parked.first().map(|event| event.key.clone()).unwrap_or_default();
    let deadline = Deadline::after(APPLY_TIMEOUT);
    let db = store.db.clone();
    db.transact(deadline, move |session| {
        let (store, effect, items) = (store.clone(), effect.clone(), items.clone());
        let (key, ids) = (key.clone(), ids.clone());
        async move {
            store.leave_park(session, &key, &ids).await?;
            let applied = ids.iter().map(|id| doc! { "group": store.group, "event": id }).collect::<Vec<_>>();
            let now = doc! { "$set": { "at": to_bson_time(primitives::now()) }, "$unset": { "parked": "" } };
            store.inbox.update_many(doc! { "_id": { "$in": applied } }, now).session(&mut *session).await?;
            if items.is_empty() { Ok(()) } else { effect.apply(session, &items).await }
        }
        .boxed()
    })
    .await
}

/// Makes a parked event a dead letter; returns whether the broker has it. Its record leaves the inbox, so that it can
/// be replayed.
async fn give_up<E: Effect>(core: &Core<E>, event: &ParkedEvent, why: &str) -> Result<bool, mongo::Error> {
    let id: EventId = mongo::from_bson_uuid(event.id.event).into();
    let (id_text, topic) = (id.to_string(), core.dead_letters.topic_of(&event.kind));
    let headers = [(HEADER_ID, &id_text), (HEADER_TYPE, &event.kind)]
        .into_iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
    let (key, payload) = (event.key.as_bytes(), event.payload.bytes.as_slice());
    let letter = DeadLetter { topic: &topic, key, payload, headers, position: None, reason: why };
    if !core.bury(letter).await {
        return Ok(false);
    }
    let store = core.inbox.store().clone();
    let (event_key, stored_id) = (event.key.clone(), event.id.event);
    let db = store.db.clone();
    let removed = db.transact(Deadline::after(APPLY_TIMEOUT), move |session| {
        let (store, key) = (store.clone(), event_key.clone());
        async move {
            store.leave_park(session, &key, &[stored_id]).await?;
            let record = doc! { "_id": store.inbox_id(mongo::from_bson_uuid(stored_id).into()) };
            store.inbox.delete_one(record).session(&mut *session).await?;
            Ok::<_, Abort<Refused>>(())
        }
        .boxed()
    });
    match removed.await {
        Ok(()) => Ok(true),
        Err(TransactError::Refused(refused)) => {
            tracing::warn!(%refused, "a dead letter stays parked");
            Ok(false)
        }
        Err(TransactError::Store(error)) => Err(error),
    }
}

impl Store {
    /// Removes parked events of a key, and the key with the last of them.
    async fn leave_park(&self, session: &mut ClientSession, key: &str, events: &[Uuid]) -> Result<(), Abort<Refused>> {
        let id = doc! { "_id": { "group": self.group, "key": key } };
        let parked: Vec<_> = events.iter().map(|event| doc! { "group": self.group, "event": event }).collect();
        let deleted = self.events.delete_many(doc! { "_id": { "$in": parked } });
        let deleted = deleted.session(&mut *session).await?.deleted_count;
        if deleted != u64::try_from(events.len()).unwrap_or(u64::MAX) {
            return Err(Abort::Refused(Refused("another process has applied them".to_owned())));
        }
        let fewer = doc! { "$inc": { "waiting": -i64::try_from(deleted).unwrap_or_default() } };
        self.keys.update_one(id.clone(), fewer).session(&mut *session).await?;
        let mut empty = id;
        empty.insert("waiting", doc! { "$lte": 0 });
        self.keys.delete_one(empty).session(session).await?;
        Ok(())
    }
}
