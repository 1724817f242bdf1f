//! What holds the idempotency keys of orders: the order that a key has placed, or a fence against requests that were
//! refused. Both stand under one unique index, so the database lets only one of them be there.

use std::time::Duration;

use futures::StreamExt as _;
use idempotency::Answer;
use mongo::{ConvertError, bounded, duplicate_key_index, from_bson_uuid, to_bson_time, to_bson_uuid};
use mongodb::ClientSession;
use mongodb::bson::{Document, Uuid, doc};
use mongodb::error::Error as DriverError;
use serde::Deserialize;
use service::Deadline;

use super::Store;
use super::document::{OrderDocument, unreadable};
use crate::domain::{Decision, Fence, KeyHolder, Order, PlacedBy, PlacedOrder};
use crate::error::OrderError;

/// The status of a fence: no order has it.
pub(super) const FENCED: &str = "fenced";
/// How long a fence is kept: no attempt outlives its deadline by as much.
const RETENTION: Duration = Duration::from_secs(48 * 60 * 60);
/// The most refused requests of one key.
pub(super) const MAX_REQUESTS: usize = 32;
/// How often a fence is tried again that loses a race against another holder of the key.
const MAX_ATTEMPTS: usize = 3;

/// A fence as it is stored, with the fields that are read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FenceDocument {
    user_id: Uuid,
    idempotency_key: String,
    request_ids: Vec<String>,
}

impl Store {
    /// The answer that this key was given before.
    ///
    /// # Errors
    /// `KeyReused` when it was sent with another request.
    pub(crate) async fn placed_earlier(
        &self,
        placed_by: &PlacedBy,
        deadline: Deadline,
    ) -> Result<Option<Answer<Order>>, OrderError> {
        let mut filter = by_key(placed_by);
        filter.insert("status", doc! { "$ne": FENCED });
        let found = bounded(deadline, |left| self.orders.find_one(filter).max_time(left)).await?;
        let Some(document) = found else { return Ok(None) };
        let earlier = PlacedOrder::try_from(document).map_err(mongo::Error::from)?;
        Ok(Some(placed_by.replay(earlier)?))
    }

    /// Makes it impossible that an earlier attempt of a request places an order; once this returns, a majority has the
    /// fence. When an earlier attempt, or another request, has placed one, gives its answer instead.
    ///
    /// An attempt whose transaction is open at this moment holds the key: the write waits until that has ended.
    ///
    /// # Errors
    /// As [`Store::placed_earlier`]; `UNAVAILABLE` when the key changes hands all the time or has too many refusals.
    pub(crate) async fn fence(
        &self,
        placed_by: &PlacedBy,
        deadline: Deadline,
    ) -> Result<Option<Answer<Order>>, OrderError> {
        let mut filter = by_key(placed_by);
        filter.extend(doc! {
            "status": FENCED,
            format!("requestIds.{}", MAX_REQUESTS - 1): { "$exists": false },
        });
        let id = to_bson_uuid(primitives::OrderId::new().as_uuid());
        let until = to_bson_time(primitives::now() + RETENTION);
        let update = doc! {
            "$addToSet": { "requestIds": &placed_by.request_id },
            "$set": { "fencedUntil": until },
            "$setOnInsert": { "_id": id },
        };
        for _ in 0..MAX_ATTEMPTS {
            let upsert = |_| self.orders.update_one(filter.clone(), update.clone()).upsert(true);
            match bounded(deadline, upsert).await {
                Ok(_) => return Ok(None),
                Err(mongo::Error::Failed(error)) if duplicate_key_index(&error).is_some() => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(earlier) = self.placed_earlier(placed_by, deadline).await? {
                return Ok(Some(earlier));
            }
        }
        Err(envelope::Error::new(envelope::Reason::Unavailable, "the outcome of an earlier attempt is still open")
            .into())
    }

    /// What holds these keys, in the caller's transaction.
    pub(super) async fn key_holders(
        &self,
        session: &mut ClientSession,
        keys: Vec<Document>,
    ) -> Result<Vec<KeyHolder>, DriverError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let holders = self.orders.clone_with_type::<Document>();
        let mut cursor = holders.find(doc! { "$or": keys }).session(&mut *session).await?;
        let found = cursor.stream(session).collect::<Vec<_>>().await;
        found.into_iter().map(|document| key_holder(document?)).collect()
    }

    /// Removes the fences that orders replace, in their transaction.
    pub(super) async fn remove_fences(
        &self,
        session: &mut ClientSession,
        decision: &Decision<'_>,
    ) -> Result<(), DriverError> {
        let replacing = decision.placed.iter().filter(|placed| placed.replaces_fence);
        let keys: Vec<_> = replacing.map(|placed| by_key(&placed.placement.placed_by)).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let filter = doc! { "$or": keys, "status": FENCED };
        self.orders.delete_many(filter).session(session).await.map(drop)
    }
}

/// Matches the holder of this key.
pub(super) fn by_key(placed_by: &PlacedBy) -> Document {
    doc! { "userId": to_bson_uuid(placed_by.user_id.as_uuid()), "idempotencyKey": placed_by.key.as_str() }
}

fn key_holder(document: Document) -> Result<KeyHolder, DriverError> {
    if !document.get_str("status").is_ok_and(|status| status == FENCED) {
        let order: OrderDocument = mongodb::bson::deserialize_from_document(document)?;
        return Ok(KeyHolder::Order(order.try_into().map_err(unreadable)?));
    }
    let fence: FenceDocument = mongodb::bson::deserialize_from_document(document)?;
    Ok(KeyHolder::Fence(fence.try_into().map_err(unreadable)?))
}

impl TryFrom<FenceDocument> for Fence {
    type Error = ConvertError;

    fn try_from(document: FenceDocument) -> Result<Self, ConvertError> {
        Ok(Self {
            user_id: from_bson_uuid(document.user_id).into(),
            key: document.idempotency_key.parse().map_err(|_| ConvertError { what: "fence" })?,
            request_ids: document.request_ids,
        })
    }
}

impl TryFrom<OrderDocument> for PlacedOrder {
    type Error = ConvertError;

    fn try_from(document: OrderDocument) -> Result<Self, ConvertError> {
        let invalid = || ConvertError { what: "order" };
        let placed_by = PlacedBy {
            user_id: from_bson_uuid(document.user_id).into(),
            key: document.idempotency_key.parse().map_err(|_| invalid())?,
            fingerprint: document.fingerprint.bytes.as_slice().try_into().map_err(|_| invalid())?,
            request_id: document.request_id.clone(),
        };
        Ok(Self { order: document.try_into()?, placed_by })
    }
}
