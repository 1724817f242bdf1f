//! Decides about the risk of a new order: by the verdict of the risk service or, without one in time, by the local
//! rules.

use std::convert::Infallible;

use envelope::Error;
use primitives::{Money, OrderId, UserId};
use service::{OnFailure, RequestContext};

use super::App;
use crate::domain::{Refusal, ReviewRequest, Risk, RiskSource, Verdict};
use crate::error::OrderError;

impl App {
    /// Accepts an order, with the source of the decision.
    ///
    /// # Errors
    /// `RiskRejected`.
    pub(super) async fn judge_risk(
        &self,
        context: &RequestContext,
        id: OrderId,
        user: UserId,
        total: Money,
        review: ReviewRequest,
    ) -> Result<Risk, OrderError> {
        if self.config.max_order_amount.is_some_and(|most| total.amount() > most) {
            return Err(Refusal::RiskRejected.into());
        }
        let (source, verdict) = match self.verdict_in_time(context, id, user, total, review).await {
            Ok(verdict) => (RiskSource::Service, verdict),
            Err(error) => {
                tracing::debug!(?error, "the local rules decide");
                let verdict = self.risk.local_rules().judge(total, user, primitives::now());
                (RiskSource::LocalRules, verdict)
            }
        };
        metrics::counter!("order_risk_decisions_total", "source" => source.name()).increment(1);
        match verdict {
            Verdict::Accept => Ok(Risk { source }),
            Verdict::Reject => Err(Refusal::RiskRejected.into()),
        }
    }

    /// The verdict of the risk service. While its breaker is open the service is only probed in the background, so that
    /// the breaker closes when it has recovered and no customer waits for that.
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
                tracing::debug!(?error, "the risk service has not recovered yet");
            }
            Ok::<_, Infallible>(())
        });
        Err(Error::unavailable("the risk service does not answer in time"))
    }
}
