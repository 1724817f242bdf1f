//! Expires orders that were not paid in time and gives their stock back.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use mongo::Lease;
use service::Deadline;

use super::App;
use crate::domain::Order;
use crate::error::OrderError;

/// The most orders of one round.
const ROUND: u32 = 200;
/// How many of them are expired at once.
const CONCURRENCY: usize = 8;
/// How long a round may take.
const BUDGET: Duration = Duration::from_secs(10);

impl App {
    /// Runs until the process stops. One replica does it at a time; that is for calm only, since an order is expired
    /// by a conditional write.
    pub(crate) async fn expire_orders(self, mut lease: Lease) -> Result<(), OrderError> {
        let stop = self.tasks.stop_signal();
        let mut ticks = tokio::time::interval(self.config.expiry_period());
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = self.expire_round(&mut lease).await {
                tracing::warn!(error = ?error, "orders could not be expired");
            }
        }
        Ok(lease.release(Deadline::after(BUDGET)).await?)
    }

    async fn expire_round(&self, lease: &mut Lease) -> Result<(), OrderError> {
        let deadline = Deadline::after(BUDGET);
        if !lease.hold(deadline).await? {
            return Ok(());
        }
        let orders = self.store.expired(ROUND, deadline).await?;
        let expired =
            stream::iter(orders).for_each_concurrent(CONCURRENCY, |order| self.expire_one(order, deadline));
        expired.await;
        Ok(())
    }

    async fn expire_one(&self, order: Order, deadline: Deadline) {
        match self.store.expire(order.id, ids::now(), deadline).await {
            Ok(true) => metrics::counter!("orders_expired_total").increment(1),
            // Paid or cancelled in the meantime.
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(order_id = %order.id, error = ?error, "an order could not be expired")
            }
        }
    }
}
