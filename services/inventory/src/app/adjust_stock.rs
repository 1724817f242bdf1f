//! Moves stock because a person says so, once for each idempotency key.

use std::num::NonZeroI64;

use idempotency::{Answer, Conflict, ScopedKey};
use primitives::{IdempotencyKey, MovementId, Sku};
use service::RequestContext;
use stock::{Movement, Reason};

use super::App;
use crate::error::InventoryError;

/// What the person wants.
#[derive(Debug)]
pub(crate) struct Adjustment {
    pub(crate) sku: Sku,
    pub(crate) delta: NonZeroI64,
    pub(crate) reason: Reason,
    pub(crate) key: IdempotencyKey,
}

impl App {
    pub(crate) async fn adjust_stock(
        &self,
        context: &RequestContext,
        adjustment: Adjustment,
    ) -> Result<Answer<Movement>, InventoryError> {
        let caller = context.require_admin()?;
        let request = (&adjustment.sku, adjustment.delta, adjustment.reason.to_string());
        let key = ScopedKey::new(caller.user_id, "adjust-stock", &adjustment.key, &request)?;
        if let Some(answer) = self.earlier_adjustment(&key, context).await? {
            return Ok(answer);
        }
        let movement = Movement {
            id: MovementId::new(),
            sku: adjustment.sku,
            delta: adjustment.delta,
            reason: adjustment.reason,
            order_id: None,
            created_at: primitives::now(),
        };
        match self.store.adjust(key.clone(), context.request_id.clone(), &movement, context.deadline).await {
            Ok(()) => Ok(Answer::first(movement)),
            Err(InventoryError::Conflict(Conflict::Finished)) => {
                self.earlier_adjustment(&key, context).await?.ok_or(InventoryError::Conflict(Conflict::InFlight))
            }
            Err(error) => Err(error),
        }
    }

    async fn earlier_adjustment(
        &self,
        key: &ScopedKey,
        context: &RequestContext,
    ) -> Result<Option<Answer<Movement>>, InventoryError> {
        let Some(Answer { value, replay_of }) = self.store.adjustments.find(key, context.deadline).await? else {
            return Ok(None);
        };
        let value = Movement::try_from(value).map_err(mongo::Error::from)?;
        Ok(Some(Answer { value, replay_of }))
    }
}
