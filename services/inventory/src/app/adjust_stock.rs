//! Adjusts stock for an administrator, once for each idempotency key.

use idempotency::{Answer, Conflict, ScopedKey};
use service::RequestContext;
use stock::Movement;

use super::App;
use crate::domain::Adjustment;
use crate::error::InventoryError;

impl App {
    pub(crate) async fn adjust_stock(
        &self,
        context: &RequestContext,
        adjustment: Adjustment,
    ) -> Result<Answer<Movement>, InventoryError> {
        let caller = context.require_admin()?;
        let key = ScopedKey::new(caller.user_id, "adjust-stock", &adjustment.key, &adjustment.fingerprinted())?;
        if let Some(answer) = self.store.adjustment(&key, context.deadline).await? {
            return Ok(answer);
        }
        let movement = adjustment.into_movement(primitives::now());
        match self.store.adjust(key.clone(), context.request_id.clone(), &movement, context.deadline).await {
            Ok(()) => Ok(Answer::first(movement)),
            Err(InventoryError::Conflict(Conflict::Finished)) => {
                let answer = self.store.adjustment(&key, context.deadline).await?;
                answer.ok_or(InventoryError::Conflict(Conflict::InFlight))
            }
            Err(error) => Err(error),
        }
    }
}
