//! The documents of the ledger.

use std::num::NonZeroI64;

use mongo::{ConvertError, from_bson_time, from_bson_uuid, to_bson_time, to_bson_uuid};
use mongodb::bson::{DateTime, Uuid};
use mongodb::error::Error as DriverError;
use primitives::Sku;
use serde::{Deserialize, Serialize};

use crate::rules::Movement;

/// The counter of a SKU.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LevelDocument {
    #[serde(rename = "_id")]
    pub(super) sku: String,
    pub(super) available: i64,
}

impl LevelDocument {
    pub(super) fn into_level(self) -> Result<(Sku, u64), DriverError> {
        let sku = self.sku.parse().map_err(|_| DriverError::custom("a counter has an invalid SKU"))?;
        Ok((sku, pieces(self.available)))
    }
}

/// Counters are never negative: the conditional update and the validator ensure it.
pub(super) fn pieces(available: i64) -> u64 {
    u64::try_from(available).unwrap_or_default()
}

/// A movement as it is stored. Public because idempotency records store it as the answer to an adjustment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MovementDocument {
    #[serde(rename = "_id")]
    id: Uuid,
    sku: String,
    delta: i64,
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order_id: Option<Uuid>,
    created_at: DateTime,
}

impl From<&Movement> for MovementDocument {
    fn from(movement: &Movement) -> Self {
        Self {
            id: to_bson_uuid(movement.id.as_uuid()),
            sku: movement.sku.as_str().to_owned(),
            delta: movement.delta.get(),
            reason: movement.reason.to_string(),
            order_id: movement.order_id.map(|id| to_bson_uuid(id.as_uuid())),
            created_at: to_bson_time(movement.created_at),
        }
    }
}

impl TryFrom<MovementDocument> for Movement {
    type Error = ConvertError;

    fn try_from(document: MovementDocument) -> Result<Self, ConvertError> {
        let invalid = || ConvertError { what: "stock movement" };
        Ok(Self {
            id: from_bson_uuid(document.id).into(),
            sku: document.sku.parse().map_err(|_| invalid())?,
            delta: NonZeroI64::new(document.delta).ok_or_else(invalid)?,
            reason: document.reason.parse().map_err(|_| invalid())?,
            order_id: document.order_id.map(|id| from_bson_uuid(id).into()),
            created_at: from_bson_time(document.created_at)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use primitives::{MovementId, OrderId};

    use super::*;
    use crate::rules::Reason;

    #[test]
    fn a_movement_survives_its_document() {
        let movement = Movement {
            id: MovementId::new(),
            sku: "a".parse().unwrap(),
            delta: NonZeroI64::MIN,
            reason: Reason::OrderPlaced,
            order_id: Some(OrderId::new()),
            created_at: primitives::now(),
        };
        let adjustment = Movement { reason: Reason::adjustment("lost").unwrap(), order_id: None, ..movement.clone() };
        for movement in [movement, adjustment] {
            assert_eq!(Movement::try_from(MovementDocument::from(&movement)).unwrap(), movement);
        }
    }
}
