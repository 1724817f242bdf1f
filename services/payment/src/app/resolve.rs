//! Tell how the payment of an order stands.

use primitives::OrderId;
use service::Deadline;

use super::{Error, Payments};
use crate::domain::{Payment, Status};

impl Payments {
    /// The live payment of an order; a pending one is looked up at the provider first, and stays pending when that
    /// does not tell. `None`: the order was never charged, or every attempt was declined.
    pub(crate) async fn resolve(&self, order: OrderId, deadline: Deadline) -> Result<Option<Payment>, Error> {
        let Some(payment) = self.store.live(order, deadline).await? else { return Ok(None) };
        if payment.status != Status::Pending {
            return Ok(Some(payment));
        }
        let looked_up = match self.look_up(&payment, deadline).await {
            Ok(looked_up) => looked_up,
            Err(Error::OutcomeUnknown(error)) => {
                tracing::warn!(payment_id = %payment.id, ?error, "a pending payment can't be looked up");
                payment
            }
            Err(error) => return Err(error),
        };
        Ok((looked_up.status != Status::Declined).then_some(looked_up))
    }
}
