//! Finishes what was left unfinished: payments whose outcome was not learned, and refunds that are due.

use std::time::Duration;

use service::RequestContext;

use super::{App, BACKGROUND_BUDGET};
use crate::domain::PaymentStatus;
use crate::error::OrderError;
use crate::store::{Claim, FollowUp};

/// How long one replica has an unfinished order to itself; also the wait between two tries.
const LEASE: Duration = Duration::from_secs(15);
/// How often unfinished orders are looked for.
const PERIOD: Duration = Duration::from_secs(1);
/// The most orders that one round takes, so that the stop signal is never far.
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

    async fn follow_up_one(&self) -> Result<bool, OrderError> {
        let context = RequestContext::internal(BACKGROUND_BUDGET);
        let Some(FollowUp { order, attempt, refund_due }) = self.store.next_follow_up(LEASE, context.deadline).await?
        else {
            return Ok(false);
        };
        tracing::info!(order_id = %order.id, refund_due, attempt = attempt.is_some(), "finishing an order");
        if refund_due {
            self.refund(&context, order.id).await?;
        } else if let Some(claim) = attempt {
            self.resolve(&context, &order, &claim).await?;
        }
        Ok(true)
    }

    async fn resolve(
        &self,
        context: &RequestContext,
        order: &crate::domain::Order,
        claim: &Claim,
    ) -> Result<(), OrderError> {
        let Some(payment) = self.payments.resolve(context, order.id).await? else {
            return self.store.release(order.id, claim, context.deadline).await;
        };
        match payment.status {
            PaymentStatus::Captured => self.settle(order.id, claim, payment).await.map(drop),
            // Asked again when the lease is over.
            PaymentStatus::Pending => Ok(()),
            PaymentStatus::Declined | PaymentStatus::Refunded => {
                self.store.release(order.id, claim, context.deadline).await
            }
        }
    }
}
