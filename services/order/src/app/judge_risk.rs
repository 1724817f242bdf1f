//! Decides about the risk of a new order: the risk service does or, when it does not answer in time, the rules at hand.

use ids::{Money, OrderId, UserId};
use service::RequestContext;

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
        let (source, verdict) = match self.risk.verdict(context, id, user, total, review).await {
            Ok(verdict) => (RiskSource::Service, verdict),
            Err(error) => {
                tracing::debug!(?error, "the rules at hand decide");
                let verdict = self.risk.local_rules().judge(total, user, ids::now());
                (RiskSource::LocalRules, verdict)
            }
        };
        metrics::counter!("order_risk_decisions_total", "source" => source.name()).increment(1);
        match verdict {
            Verdict::Accept => Ok(Risk { source }),
            Verdict::Reject => Err(OrderError::RiskRejected),
        }
    }
}
