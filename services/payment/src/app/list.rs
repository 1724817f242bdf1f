//! Lists the payments of an order.

use primitives::OrderId;
use service::Deadline;

use super::Payments;
use crate::domain::Payment;
use crate::error::Error;

/// The most payments of an order that are listed. An order may have more declined attempts than that.
const MAX_LISTED: u32 = 100;

impl Payments {
    /// The newest 100 payments of an order, newest first.
    pub(crate) async fn list(&self, order: OrderId, deadline: Deadline) -> Result<Vec<Payment>, Error> {
        Ok(self.store.of_order(order, MAX_LISTED, deadline).await?)
    }
}
