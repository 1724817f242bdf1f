//! Asks what the risk service has found about orders that were accepted without it, and cancels those that it refuses.
//!
//! The order's event asks it to look; what it has found is asked for here, so that this service needs no consumer of
//! events, and a verdict finds its order however long it takes. An order that is refused late is cancelled through the
//! commit lanes like any other: once, with its stock, and a refund if it was paid.

use std::time::Duration;

use futures::future::join_all;
use mongo::Lease;
use primitives::OrderId;
use service::{Deadline, RequestContext};

use super::{App, BACKGROUND_BUDGET};
use crate::domain::{Order, Verdict};
use crate::error::OrderError;
use crate::store::{Cause, Release, Work};

/// How often it is asked.
const PERIOD: Duration = Duration::from_secs(1);
/// The most orders that are asked about at once, and the most pages of a round, so that the stop signal is never far.
const PAGE: u32 = 500;
const PAGES: u32 = 20;
/// The age at which an order is no longer asked about: as long as the broker keeps its event by default.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl App {
    /// Runs until the process stops. One replica does it at a time; that is for calm only, since an order is cancelled
    /// by a conditional write.
    pub(crate) async fn review_orders(self, mut lease: Lease) -> Result<(), OrderError> {
        let stop = self.tasks.stop_signal();
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = self.review_round(&mut lease).await {
                tracing::warn!(?error, "what risk has found could not be learned");
            }
        }
        Ok(lease.release(Deadline::after(BACKGROUND_BUDGET)).await?)
    }

    async fn review_round(&self, lease: &mut Lease) -> Result<(), OrderError> {
        for _ in 0..PAGES {
            let context = RequestContext::internal(BACKGROUND_BUDGET);
            if !lease.hold(context.deadline).await? {
                return Ok(());
            }
            let orders = self.store.due_reviews(PAGE, context.deadline).await?;
            let all = orders.len() < PAGE as usize;
            if !orders.is_empty() {
                self.review_page(&context, orders).await?;
            }
            if all {
                break;
            }
        }
        Ok(())
    }

    async fn review_page(&self, context: &RequestContext, orders: Vec<Order>) -> Result<(), OrderError> {
        let ids: Vec<_> = orders.iter().map(|order| order.id).collect();
        let found = self.risk.reviews(&ids).await?;
        let (mut accepted, mut refused, mut later) = (Vec::new(), Vec::new(), Vec::new());
        for order in orders {
            match found.get(&order.id) {
                Some(Verdict::Accept) => accepted.push(order.id),
                Some(Verdict::Reject) => refused.push(order),
                None => later.push(order),
            }
        }
        self.store.reviewed(&accepted, Verdict::Accept, context.deadline).await?;
        let ended = join_all(refused.into_iter().map(|order| self.cancel_refused(context, order))).await;
        let (mut done, mut failures) = (Vec::new(), 0_u32);
        for outcome in ended {
            match outcome {
                Ok(Cancelled::Now) => {}
                Ok(Cancelled::NotAnyMore(id)) => done.push(id),
                Ok(Cancelled::NotYet(order)) => later.push(*order),
                Err(error) => {
                    failures += 1;
                    tracing::warn!(?error, "an order that risk refuses could not be cancelled yet");
                }
            }
        }
        self.store.reviewed(&done, Verdict::Reject, context.deadline).await?;
        let given_up = self.store.review_later(&later, LONGEST, context.deadline).await?;
        if given_up > 0 {
            tracing::error!(orders = given_up, "risk has never looked at some orders");
            metrics::counter!("order_risk_reviews_given_up_total")
                .increment(u64::try_from(given_up).unwrap_or(u64::MAX));
        }
        tracing::debug!(accepted = accepted.len(), later = later.len(), failures, "reviews of risk");
        Ok(())
    }

    async fn cancel_refused(&self, context: &RequestContext, order: Order) -> Result<Cancelled, OrderError> {
        let id = order.id;
        let work = Work::Release(Release { order: order.clone(), cause: Cause::RiskRejected });
        match self.lanes.commit(work, context.deadline).await {
            Ok(answer) => {
                metrics::counter!("order_risk_rejected_late_total").increment(1);
                tracing::info!(order_id = %id, was_paid = answer.value.paid_at.is_some(), "cancelled: risk refuses it");
                self.refund_soon(context, &answer.value);
                Ok(Cancelled::Now)
            }
            // Cancelled or expired in the meantime.
            Err(OrderError::InvalidState(_)) => Ok(Cancelled::NotAnyMore(id)),
            Err(OrderError::BeingPaid | OrderError::Conflict(_)) => Ok(Cancelled::NotYet(Box::new(order))),
            Err(error) => Err(error),
        }
    }
}

/// Whether an order that was refused late was cancelled by this.
enum Cancelled {
    Now,
    NotAnyMore(OrderId),
    NotYet(Box<Order>),
}
