//! Stock and its movements.

use envelope::Error;
use primitives::{IdempotencyKey, Sku};
use proto::ConvertError;
use proto::inventory::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bounds::{MAX_ADJUSTMENT_REASON, MAX_DELTA};
use crate::dto::text;
use crate::dto::time::Time;
use crate::input::Violations;
use crate::schema;
use crate::strict;

/// The stock of a product: the quantity that can be ordered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stock {
    #[schema(schema_with = schema::sku)]
    sku: String,
    available: u64,
    #[schema(schema_with = schema::time)]
    as_of: Time,
}

impl TryFrom<wire::GetStockResponse> for Stock {
    type Error = ConvertError;

    fn try_from(stock: wire::GetStockResponse) -> Result<Self, ConvertError> {
        Ok(Self { sku: stock.sku, available: stock.available, as_of: Time::of("as_of", stock.as_of)? })
    }
}

/// A movement in the stock ledger.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StockMovement {
    #[schema(schema_with = schema::uuid)]
    id: String,
    #[schema(schema_with = schema::sku)]
    sku: String,
    delta: i64,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::uuid, required = false)]
    order_id: Option<String>,
    #[schema(schema_with = schema::time)]
    created_at: Time,
}

impl TryFrom<Option<wire::StockMovement>> for StockMovement {
    type Error = ConvertError;

    fn try_from(movement: Option<wire::StockMovement>) -> Result<Self, ConvertError> {
        movement.ok_or(ConvertError::Missing("movement"))?.try_into()
    }
}

impl TryFrom<wire::StockMovement> for StockMovement {
    type Error = ConvertError;

    fn try_from(movement: wire::StockMovement) -> Result<Self, ConvertError> {
        Ok(Self {
            id: movement.id,
            sku: movement.sku,
            delta: movement.delta,
            reason: movement.reason,
            order_id: movement.order_id,
            created_at: Time::of("created_at", movement.created_at)?,
        })
    }
}

/// A manual stock adjustment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdjustStock {
    #[serde(deserialize_with = "strict::integer")]
    #[schema(schema_with = schema::delta)]
    delta: i64,
    #[schema(schema_with = schema::adjustment_reason)]
    reason: String,
}

impl AdjustStock {
    pub(crate) fn check(self, sku: &Sku, key: &IdempotencyKey) -> Result<wire::AdjustStockRequest, Error> {
        let mut wrong = Violations::default();
        let reason = wrong.take("reason", text::line(&self.reason, 1, MAX_ADJUSTMENT_REASON));
        if self.delta == 0 || !(-MAX_DELTA..=MAX_DELTA).contains(&self.delta) {
            wrong.add("delta", format!("must be {} to {MAX_DELTA} and not 0", -MAX_DELTA));
        }
        let reason = reason.unwrap_or_default();
        wrong.finish()?;
        let (sku, idempotency_key) = (sku.as_str().to_owned(), key.as_str().to_owned());
        Ok(wire::AdjustStockRequest { sku, delta: self.delta, reason, idempotency_key })
    }
}
