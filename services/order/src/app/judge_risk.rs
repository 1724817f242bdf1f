//! Decides about the risk of a new order: the risk service does or, when it does not answer in time, the rules at hand.

use std::convert::Infallible;

use envelope::Error;
use primitives::{Money, OrderId, UserId};
use service::{OnFailure, RequestContext};

use super::App;
use crate::domain::{ReviewRequest, Risk, RiskSource, Verdict};
use crate::error::OrderError;

impl App {
    /// By whom the order is accepted.
    ///
    /// # Errors
    /// `RiskRejected` when it is not.
    pub(super) async fn judge_risk(
        &self,
        context: &RequestContext,
        id: OrderId,
        user: UserId,
        total: Money,
        review: ReviewRequest,
    ) -> Result<Risk, OrderError> {
        if self.config.max_order_amount.is_some_and(|most| total.amount() > most) {
            return Err(OrderError::RiskRejected);
        }
        let (source, verdict) = match self.verdict_in_time(context, id, user, total, review).await {
            Ok(verdict) => (RiskSource::Service, verdict),
            Err(error) => {
                tracing::debug!(?error, "the rules at hand decide");
                let verdict = self.risk.local_rules().judge(total, user, primitives::now());
                (RiskSource::LocalRules, verdict)
            }
        };
        metrics::counter!("order_risk_decisions_total", "source" => source.name()).increment(1);
        match verdict {
            Verdict::Accept => Ok(Risk { source }),
            Verdict::Reject => Err(OrderError::RiskRejected),
        }
    }

    /// The service's verdict, unless it is known not to give any in time: then it is asked beside the order, so that
    /// the breaker finds out when it is well again, and no customer waits for that.
    async fn verdict_in_time(
        &self,
        context: &RequestContext,
        id: OrderId,
        user: UserId,
        total: Money,
        review: ReviewRequest,
    ) -> Result<Verdict, Error> {
        if self.risk.answers_in_time() {
            return self.risk.verdict(context, id, user, total, review).await;
        }
        let (risk, context) = (self.risk.clone(), context.clone());
        self.tasks.spawn("risk-probe", OnFailure::Log, async move {
            if let Err(error) = risk.verdict(&context, id, user, total, review).await {
                tracing::debug!(?error, "the risk service is not well yet");
            }
            Ok::<_, Infallible>(())
        });
        Err(Error::unavailable("the risk service does not answer in time"))
    }
}
