//! Orders by the idempotency key that has placed them.

use idempotency::Answer;
use mongo::{ConvertError, bounded, to_bson_uuid};
use mongodb::bson::{Document, doc};
use service::Deadline;

use super::Store;
use super::document::OrderDocument;
use crate::domain::{Order, PlacedBy, PlacedOrder};
use crate::error::OrderError;

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
        let filter = by_key(placed_by);
        let found = bounded(deadline, |left| self.orders.find_one(filter).max_time(left)).await?;
        let Some(document) = found else { return Ok(None) };
        let earlier = PlacedOrder::try_from(document).map_err(mongo::Error::from)?;
        Ok(Some(placed_by.replay(earlier)?))
    }
}

/// Matches the order that was placed with this key.
pub(super) fn by_key(placed_by: &PlacedBy) -> Document {
    doc! { "userId": to_bson_uuid(placed_by.user_id.as_uuid()), "idempotencyKey": placed_by.key.as_str() }
}

impl TryFrom<OrderDocument> for PlacedOrder {
    type Error = ConvertError;

    fn try_from(document: OrderDocument) -> Result<Self, ConvertError> {
        let invalid = || ConvertError { what: "order" };
        let placed_by = PlacedBy {
            user_id: mongo::from_bson_uuid(document.user_id).into(),
            key: document.idempotency_key.parse().map_err(|_| invalid())?,
            fingerprint: document.fingerprint.bytes.as_slice().try_into().map_err(|_| invalid())?,
            request_id: document.request_id.clone(),
        };
        Ok(Self { order: document.try_into()?, placed_by })
    }
}
