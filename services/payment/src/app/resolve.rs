//! Shows the outcome of an order's payment.

use primitives::OrderId;
use service::Deadline;

use super::Payments;
use crate::domain::Payment;
use crate::domain::settlement::{self, DueWork};
use crate::error::Error;

impl Payments {
    /// The live payment of an order. A pending one is looked up at the provider first, and stays pending when the
    /// provider does not report the outcome. `None`: the order was never charged, or every attempt was declined.
    pub(crate) async fn resolve(&self, order: OrderId, deadline: Deadline) -> Result<Option<Payment>, Error> {
        let Some(payment) = self.store.live(order, deadline).await? else { return Ok(None) };
        if settlement::due_work(payment.status) != Some(DueWork::LookUp) {
            return Ok(Some(payment));
        }
        let looked_up = match self.look_up(&payment, deadline).await {
            Ok(looked_up) => looked_up,
            Err(Error::Provider(error)) => {
                tracing::warn!(payment_id = %payment.id, ?error, "a pending payment can't be looked up");
                payment
            }
            Err(error) => return Err(error),
        };
        Ok(Some(looked_up).filter(Payment::is_live))
    }
}
