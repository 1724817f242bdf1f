//! Finishes work that was left unfinished: payments whose outcome was not learned, and refunds that are due.

use std::time::Duration;

use service::RequestContext;

use super::{App, BACKGROUND_BUDGET};
use crate::domain::{NextStep, Order, PaymentClaim, Resolution};
use crate::error::OrderError;

/// How long one replica leases an unfinished order; also the wait between two attempts.
const LEASE: Duration = Duration::from_secs(15);
/// How often the store is polled for unfinished orders.
const PERIOD: Duration = Duration::from_secs(1);
/// The most orders of one round; the stop signal is checked between rounds.
const ROUND: usize = 100;

impl App {
    /// Runs until the process stops.
    pub(crate) async fn follow_up(self) -> Result<(), OrderError> {
        let stop = self.tasks.stop_signal();
        let mut ticks = tokio::time::interval(PERIOD);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            for _ in 0..ROUND {
                match self.follow_up_one().await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(error = ?error, "an unfinished order could not be finished yet");
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Finishes one order; `false` when none is due.
    async fn follow_up_one(&self) -> Result<bool, OrderError> {
        let context = RequestContext::internal(BACKGROUND_BUDGET);
        let Some(unfinished) = self.store.next_follow_up(LEASE, context.deadline).await? else { return Ok(false) };
        let (order, refund_due) = (&unfinished.order, unfinished.refund_due);
        tracing::info!(order_id = %order.id, refund_due, attempt = unfinished.claim.is_some(), "finishing an order");
        match unfinished.next_step() {
            NextStep::Refund => self.refund(&context, order.id).await?,
            NextStep::Resolve(claim) => self.resolve(&context, order, claim).await?,
            NextStep::Nothing => {}
        }
        Ok(true)
    }

    async fn resolve(&self, context: &RequestContext, order: &Order, claim: &PaymentClaim) -> Result<(), OrderError> {
        match Resolution::of(self.payments.resolve(context, order.id).await?) {
            Resolution::Settle(payment) => self.settle(order.id, claim, payment).await.map(drop),
            Resolution::Release => self.store.release(order.id, claim, context.deadline).await,
            Resolution::Wait => Ok(()),
        }
    }
}
