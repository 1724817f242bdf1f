//! Expires orders that were not paid in time and returns their stock.

use std::time::Duration;

use futures::future::join_all;
use mongo::Lease;
use service::Deadline;

use super::App;
use crate::domain::{Cause, Order, Refusal, Release, Work};
use crate::error::OrderError;

/// The most orders that wait in the lanes at once.
const PAGE: u32 = 1_000;
/// The most pages of one round; the stop signal is checked between rounds.
const PAGES: u32 = 10;
/// The time budget of a page.
const BUDGET: Duration = Duration::from_secs(10);

impl App {
    /// Runs until the process stops. A lease lets one replica do it at a time: an optimisation; correctness does not
    /// depend on it, since an order is expired by a conditional write.
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

    /// Expires the orders that are due, page by page, through the commit lanes.
    async fn expire_round(&self, lease: &mut Lease) -> Result<(), OrderError> {
        for _ in 0..PAGES {
            let deadline = Deadline::after(BUDGET);
            if !lease.hold(deadline).await? {
                return Ok(());
            }
            let orders = self.store.expired(PAGE, deadline).await?;
            let all = orders.len() < PAGE as usize;
            let endings = orders.into_iter().map(|order| self.expire_one(order, deadline));
            let outcomes = join_all(endings).await;
            let failures: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
            if let Some(first) = failures.first() {
                tracing::warn!(orders = failures.len(), first = ?first, "orders could not be expired");
            }
            let expired = outcomes.iter().any(|outcome| matches!(outcome, Ok(true)));
            // Without any, the next page would be the same.
            if all || !expired {
                break;
            }
        }
        Ok(())
    }

    /// Whether this has expired the order.
    async fn expire_one(&self, order: Order, deadline: Deadline) -> Result<bool, OrderError> {
        let work = Work::Release(Release { order, cause: Cause::Expired });
        match self.lanes.commit(work, deadline).await {
            Ok(_) => {
                metrics::counter!("orders_expired_total").increment(1);
                Ok(true)
            }
            // Paid or cancelled since it was read, or about to be.
            Err(OrderError::Refused(Refusal::InvalidState(_) | Refusal::BeingPaid | Refusal::Conflict(_))) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
