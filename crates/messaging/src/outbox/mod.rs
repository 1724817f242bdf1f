//! The outbox: events are written in the transaction of their change, and published from there. So an event exists if
//! and only if its change was committed.
//!
//! Events of one aggregate are published in order. That rests on three things. A writer gives each change of an
//! aggregate a later time than the change before. The events that one transaction writes to a shard with one time are
//! one entry, and a key always has the same shard. And the relay reads a shard by time, from a snapshot, which contains
//! no change without the earlier ones.

mod entry;
mod grpc;
mod relay;
mod schema;
mod wake;

use std::collections::BTreeMap;

use jiff::Timestamp;
use mongo::{Db, Policy};
use mongodb::error::Error as DriverError;
use mongodb::{ClientSession, Collection};
use rapidhash::v3::rapidhash_v3;

use crate::{Event, OutboxConfig};
use entry::{EntryDocument, EventDocument};
pub use grpc::OutboxGrpc;
pub use schema::MIGRATIONS;

const COLLECTION: &str = "outbox";
/// The most events of an entry; more become several entries. MongoDB limits a document to 16 MiB.
const MAX_EVENTS: usize = 1_000;

/// The outbox of a service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    db: Db,
    source: &'static str,
    config: OutboxConfig,
    entries: Collection<EntryDocument>,
}

impl Outbox {
    /// The outbox of the service `source`.
    pub fn new(db: &Db, source: &'static str, config: &OutboxConfig) -> Self {
        let entries = db.collection(Policy::Ledger, COLLECTION);
        Self { db: db.clone(), source, config: config.clone(), entries }
    }

    /// Writes events in the caller's transaction: one command, whatever their number.
    pub async fn write(
        &self,
        session: &mut ClientSession,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<(), DriverError> {
        let entries = self.entries_of(events);
        if !entries.is_empty() {
            self.entries.insert_many(entries).session(session).await?;
        }
        Ok(())
    }

    /// Events of one shard and one time share an entry.
    fn entries_of(&self, events: impl IntoIterator<Item = Event>) -> Vec<EntryDocument> {
        let mut groups = BTreeMap::<(i32, Timestamp), Vec<EventDocument>>::new();
        for event in events {
            groups.entry((self.shard_of(&event.key), event.at)).or_default().push(event.into());
        }
        let mut entries = Vec::with_capacity(groups.len());
        for ((shard, at), mut events) in groups {
            while events.len() > MAX_EVENTS {
                let rest = events.split_off(MAX_EVENTS);
                entries.push(EntryDocument::new(self.source, shard, at, events));
                events = rest;
            }
            entries.push(EntryDocument::new(self.source, shard, at, events));
        }
        entries
    }

    fn shard_of(&self, key: &str) -> i32 {
        let shard = rapidhash_v3(key.as_bytes()) % u64::from(self.config.shards.get());
        // Below the number of shards, which is far below 2^31.
        i32::try_from(shard).unwrap_or_default()
    }
}
