//! The risk service: its verdicts, and a copy of its rules for when it does not answer.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use balancer::{Ask, Channel, Upstream};
use envelope::Error;
use primitives::{Money, OrderId, ParseError, UserId};
use proto::risk::v1::risk_service_client::RiskServiceClient;
use proto::risk::v1::rule::When;
use proto::risk::v1::{AssessRequest, Assessment, Decision, GetAssessmentsRequest, GetRulesRequest, Rules};
use service::RequestContext;
use tokio_util::sync::CancellationToken;

use crate::domain::{LocalRule, LocalRules, ReviewRequest, Verdict};

/// How often the rules are polled: the local copy is at most that much older while the service answers.
const RULES_PERIOD: Duration = Duration::from_secs(2);
/// The time-out of calls that no customer waits for.
const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(2);

/// The risk service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RiskService {
    risk: Upstream,
    rules: Arc<RwLock<Arc<LocalRules>>>,
}

impl RiskService {
    pub(crate) fn new(risk: Upstream) -> Self {
        Self { risk, rules: Arc::default() }
    }

    /// The verdict about a new order. The upstream's policy is for this call alone: a customer waits for it, and other
    /// calls say nothing about its latency. A user's orders are routed to one replica, which so counts all of them.
    ///
    /// # Errors
    /// Any failure to answer in time; the local rules then decide.
    pub(crate) async fn verdict(
        &self,
        context: &RequestContext,
        id: OrderId,
        user: UserId,
        total: Money,
        review: ReviewRequest,
    ) -> Result<Verdict, Error> {
        let user_id = user.to_string();
        let message = AssessRequest {
            order_id: id.to_string(),
            user_id: user_id.clone(),
            attempt: review.attempt.to_vec(),
            total: Some(proto::from_money(total)),
            client_address: review.from.map(|from| from.to_string()).unwrap_or_default(),
        };
        // An attempt counts once, even when it is sent again.
        let how = Ask::idempotent().key(&user_id);
        let answered = self.risk.ask(context, message, how, |channel, request| async move {
            RiskServiceClient::new(channel).assess(request).await
        });
        let assessment = answered.await?.into_inner().assessment;
        to_verdict(&assessment.ok_or_else(|| Error::internal("an answer without an assessment"))?)
    }

    /// Whether the breaker is closed: verdicts have arrived in time lately.
    pub(crate) fn answers_in_time(&self) -> bool {
        self.risk.policy().is_closed()
    }

    /// The verdicts about orders under review; those without one yet are left out.
    pub(crate) async fn reviews(&self, orders: &[OrderId]) -> Result<HashMap<OrderId, Verdict>, Error> {
        let order_ids = orders.iter().map(OrderId::to_string).collect();
        let request = background(GetAssessmentsRequest { order_ids })?;
        let answered = self.client().get_assessments(request).await.map_err(Error::from_status)?;
        let found = answered.into_inner().assessments.into_iter().map(|assessment| {
            let id = assessment.order_id.parse().map_err(|error: ParseError| Error::internal(error))?;
            Ok((id, to_verdict(&assessment)?))
        });
        found.collect()
    }

    /// The local rules: the last that the service has served.
    pub(crate) fn local_rules(&self) -> Arc<LocalRules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps the local rules up to date until the process stops.
    pub(crate) async fn follow_rules(self, stop: CancellationToken) -> Result<(), Infallible> {
        let mut ticks = tokio::time::interval(RULES_PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failed = false;
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let asked = self.ask_for_rules().await;
            match &asked {
                Err(error) if !failed => tracing::warn!(?error, "the rules of risk can't be read"),
                Ok(()) if failed => tracing::info!("the rules of risk are read again"),
                Ok(()) | Err(_) => {}
            }
            failed = asked.is_err();
        }
        Ok(())
    }

    async fn ask_for_rules(&self) -> Result<(), Error> {
        let request = background(GetRulesRequest { known_version: self.local_rules().version })?;
        let answered = self.client().get_rules(request).await.map_err(Error::from_status)?;
        let answer = answered.into_inner();
        if let Some(rules) = answer.rules {
            let rules = to_local(answer.version, &rules);
            tracing::info!(version = rules.version, "rules of risk were read");
            *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
        }
        Ok(())
    }

    fn client(&self) -> RiskServiceClient<Channel> {
        RiskServiceClient::new(self.risk.channel())
    }
}

/// A call that nobody waits for. It is made once: its time comes again.
fn background<T>(message: T) -> Result<tonic::Request<T>, Error> {
    RequestContext::internal(BACKGROUND_TIMEOUT).request(message)
}

fn to_verdict(assessment: &Assessment) -> Result<Verdict, Error> {
    match assessment.decision() {
        Decision::Accept => Ok(Verdict::Accept),
        Decision::Reject => Ok(Verdict::Reject),
        Decision::Unspecified => Err(Error::internal("an assessment without a decision")),
    }
}

/// The rules that need only the order; a rule unknown to this version is left to the service.
fn to_local(version: u64, rules: &Rules) -> LocalRules {
    let list = rules.rules.iter().filter_map(|rule| {
        let when = match rule.when.as_ref()? {
            When::AmountAbove(above) => LocalRule::AmountAbove(above.amount),
            When::AccountYoungerThan(than) => LocalRule::AccountYoungerThan(Duration::from_secs(than.seconds.into())),
            When::OrdersOfUser(_) | When::OrdersOfAddress(_) => return None,
        };
        Some((rule.points, when))
    });
    LocalRules { version, reject_at: rules.reject_at, list: list.collect() }
}

#[cfg(test)]
mod tests {
    use proto::risk::v1::{AccountYoungerThan, AmountAbove, OrdersOfUser, Rule};

    use super::*;

    #[test]
    fn rules_that_count_are_left_to_the_service() {
        let rule = |points, when| Rule { points, when };
        let rules = Rules {
            reject_at: 70,
            rules: vec![
                rule(1, Some(When::AmountAbove(AmountAbove { amount: 5 }))),
                rule(2, Some(When::OrdersOfUser(OrdersOfUser { most: 1, within_seconds: 60 }))),
                rule(3, Some(When::AccountYoungerThan(AccountYoungerThan { seconds: 60 }))),
                rule(4, None),
            ],
        };
        let minute = Duration::from_secs(60);
        let list = vec![(1, LocalRule::AmountAbove(5)), (3, LocalRule::AccountYoungerThan(minute))];
        assert_eq!(to_local(9, &rules), LocalRules { version: 9, reject_at: 70, list });
    }
}
