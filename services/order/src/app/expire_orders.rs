//! Expires orders that were not paid in time and gives their stock back.

use std::time::Duration;

use futures::future::join_all;
use mongo::Lease;
use service::Deadline;

use super::App;
use crate::domain::Order;
use crate::error::OrderError;
use crate::store::{Cause, Release, Work};

/// The most orders that are lined up at once.
const PAGE: u32 = 1_000;
/// The most pages of one round, so that the stop signal is never far.
const PAGES: u32 = 10;
/// How long a page may take.
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

    /// Expires what is due, page by page, through the commit lanes.
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
            // Without any, the next page would be the same one.
            if all || !expired {
                break;
            }
        }
        Ok(())
    }

    /// Whether the order has expired by this.
    async fn expire_one(&self, order: Order, deadline: Deadline) -> Result<bool, OrderError> {
        let work = Work::Release(Release { order, cause: Cause::Expired });
        match self.lanes.commit(work, deadline).await {
            Ok(_) => {
                metrics::counter!("orders_expired_total").increment(1);
                Ok(true)
            }
            // Paid or cancelled in the meantime, or about to be.
            Err(OrderError::InvalidState(_) | OrderError::BeingPaid | OrderError::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
