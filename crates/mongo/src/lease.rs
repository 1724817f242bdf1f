//! A lease: the exclusive right to do something, for a limited time. Times are those of the database, so the clocks of
//! the hosts need not agree.

use std::time::Duration;

use mongodb::Collection;
use mongodb::bson::{Document, doc};
use mongodb::options::ReturnDocument;
use service::Deadline;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{Db, Error, Policy, bounded};

const COLLECTION: &str = "leases";

/// One holder's view of a lease. Work under it must be safe without it: a stalled holder may overlap with the next one.
#[derive(Debug)]
pub struct Lease {
    leases: Collection<Document>,
    name: String,
    holder: String,
    ttl: Duration,
    renew_at: Option<Instant>,
}

impl Lease {
    /// A lease with this name, not held yet. It expires `ttl` after the last renewal.
    pub fn new(db: &Db, name: &str, ttl: Duration) -> Self {
        Self {
            leases: db.collection(Policy::Ledger, COLLECTION),
            name: name.to_owned(),
            holder: Uuid::now_v7().to_string(),
            ttl,
            renew_at: None,
        }
    }

    /// Whether this holder has the lease now. Takes it if it is free, and renews it after a third of its time.
    pub async fn hold(&mut self, deadline: Deadline) -> Result<bool, Error> {
        if self.renew_at.is_some_and(|at| Instant::now() < at) {
            return Ok(true);
        }
        let asked_at = Instant::now();
        let ttl_ms = i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX);
        // A new lease lacks the field; a missing field sorts before any time.
        let ours = doc! { "$or": [
            { "$lt": ["$expiresAt", "$$NOW"] },
            { "$eq": ["$holder", &self.holder] },
        ] };
        let take = vec![doc! { "$set": {
            "holder": { "$cond": [&ours, &self.holder, "$holder"] },
            "expiresAt": { "$cond": [&ours, { "$add": ["$$NOW", ttl_ms] }, "$expiresAt"] },
        } }];
        self.renew_at = None;
        let lease = bounded(deadline, |left| {
            self.leases
                .find_one_and_update(doc! { "_id": &self.name }, take)
                .upsert(true)
                .return_document(ReturnDocument::After)
                .max_time(left)
        });
        let held = lease.await?.is_some_and(|lease| lease.get_str("holder").is_ok_and(|holder| holder == self.holder));
        self.renew_at = held.then(|| asked_at + self.ttl / 3);
        Ok(held)
    }

    /// Releases the lease, so that others need not wait until it expires.
    pub async fn release(&mut self, deadline: Deadline) -> Result<(), Error> {
        if self.renew_at.take().is_some() {
            let ours = doc! { "_id": &self.name, "holder": &self.holder };
            bounded(deadline, |_| self.leases.delete_one(ours)).await?;
        }
        Ok(())
    }
}
