//! Reviews orders that were accepted without the risk service: asks for its verdicts, and cancels the orders that it
//! rejects.
//!
//! The order's event asks the risk service for an assessment. This service polls for the verdict, so it needs no
//! consumer of events, and a verdict reaches its order however late it is. A rejected order is cancelled through the
//! commit lanes like any other: once, with its stock, and with a refund if it was paid.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use mongo::Lease;
use primitives::OrderId;
use service::{Deadline, RequestContext};

use super::{App, BACKGROUND_BUDGET};
use crate::domain::{Cause, Order, Refusal, Release, Verdict, Work, next_review_at};
use crate::error::OrderError;

/// How often the risk service is polled.
const PERIOD: Duration = Duration::from_secs(1);
/// The most orders of one request, and the most pages of a round; the stop signal is checked between rounds.
const PAGE: u32 = 500;
const PAGES: u32 = 20;

impl App {
    /// Runs until the process stops. One replica does it at a time; that is for calm only, since an order is cancelled
    /// by a conditional write.
    pub(crate) async fn review_orders(self, mut lease: Lease) -> Result<(), OrderError> {
        let stop = self.tasks.stop_signal();
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = self.review_round(&mut lease).await {
                tracing::warn!(?error, "the verdicts of the risk service could not be read");
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
        let verdicts = self.risk.reviews(&ids).await?;
        let (mut accepted, mut rejected, mut later) = (Vec::new(), Vec::new(), Vec::new());
        for order in orders {
            match verdicts.get(&order.id) {
                Some(Verdict::Accept) => accepted.push(order.id),
                Some(Verdict::Reject) => rejected.push(order),
                None => later.push(order),
            }
        }
        self.store.reviewed(&accepted, Verdict::Accept, context.deadline).await?;
        let ended = join_all(rejected.into_iter().map(|order| self.cancel_rejected(context, order))).await;
        let (mut done, mut failures) = (Vec::new(), 0_u32);
        for outcome in ended {
            match outcome {
                Ok(Cancelled::Now) => {}
                Ok(Cancelled::NotAnyMore(id)) => done.push(id),
                Ok(Cancelled::NotYet(order)) => later.push(*order),
                Err(error) => {
                    failures += 1;
                    tracing::warn!(?error, "an order that the risk service rejects could not be cancelled yet");
                }
            }
        }
        self.store.reviewed(&done, Verdict::Reject, context.deadline).await?;
        self.review_later(&later, context.deadline).await?;
        tracing::debug!(accepted = accepted.len(), later = later.len(), failures, "reviews by the risk service");
        Ok(())
    }

    /// Schedules the next review of orders without a verdict; those that are too old are not reviewed again.
    async fn review_later(&self, orders: &[Order], deadline: Deadline) -> Result<(), OrderError> {
        let now = primitives::now();
        let mut by_time = BTreeMap::<Option<Timestamp>, Vec<OrderId>>::new();
        for order in orders {
            by_time.entry(next_review_at(order, now)).or_default().push(order.id);
        }
        for (at, ids) in by_time {
            self.store.review_at(&ids, at, deadline).await?;
            if at.is_none() {
                tracing::error!(orders = ids.len(), "the risk service has never assessed some orders");
                let given_up = u64::try_from(ids.len()).unwrap_or(u64::MAX);
                metrics::counter!("order_risk_reviews_given_up_total").increment(given_up);
            }
        }
        Ok(())
    }

    async fn cancel_rejected(&self, context: &RequestContext, order: Order) -> Result<Cancelled, OrderError> {
        let id = order.id;
        let work = Work::Release(Release { order: order.clone(), cause: Cause::RiskRejected });
        match self.lanes.commit(work, context.deadline).await {
            Ok(answer) => {
                metrics::counter!("order_risk_rejected_late_total").increment(1);
                let was_paid = answer.value.paid_at.is_some();
                tracing::info!(order_id = %id, was_paid, "cancelled: the risk service rejects it");
                self.refund_soon(context, &answer.value);
                Ok(Cancelled::Now)
            }
            // Cancelled or expired since it was read.
            Err(OrderError::Refused(Refusal::InvalidState(_))) => Ok(Cancelled::NotAnyMore(id)),
            Err(OrderError::Refused(Refusal::BeingPaid | Refusal::Conflict(_))) => {
                Ok(Cancelled::NotYet(Box::new(order)))
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether a rejected order was cancelled.
enum Cancelled {
    Now,
    NotAnyMore(OrderId),
    NotYet(Box<Order>),
}
