//! The gRPC server of the risk service: converts between protobuf and the domain, nothing else.
//!
//! The order service calls `Assess` and `GetAssessments`, partly in background work that has no user, so they don't
//! require a caller. The network must restrict access to this port. `ReplaceRules` requires an administrator.

use std::net::IpAddr;
use std::str::FromStr;

use envelope::Error;
use primitives::ParseError;
use proto::risk::v1 as pb;
use proto::risk::v1::risk_service_server::RiskService;
use service::RequestContext;
use service::grpc::parse_all;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::domain::{Assessment, Candidate, Decision, Rule, Rules, When};
use crate::error::RiskError;

/// The maximum number of orders in a request.
const MAX_ORDERS: usize = 1_000;

/// Serves `RiskService`.
#[derive(Clone)]
pub(crate) struct RiskGrpc {
    app: App,
}

impl RiskGrpc {
    pub(crate) fn new(app: App) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl RiskService for RiskGrpc {
    async fn assess(&self, request: Request<pb::AssessRequest>) -> Result<Response<pb::AssessResponse>, Status> {
        let order = to_candidate(&request.into_inner()).map_err(reject)?;
        let assessment = self.app.assess(&order).map_err(reject)?;
        Ok(Response::new(pb::AssessResponse { assessment: Some(from_assessment(assessment)) }))
    }

    async fn get_assessments(
        &self,
        request: Request<pb::GetAssessmentsRequest>,
    ) -> Result<Response<pb::GetAssessmentsResponse>, Status> {
        let deadline = RequestContext::from_request(&request).deadline;
        let orders = parse_all("order_ids", &request.get_ref().order_ids, MAX_ORDERS)?;
        let assessments = self.app.assessments(&orders, deadline).await.map_err(reject)?;
        let assessments = assessments.into_iter().map(from_assessment).collect();
        Ok(Response::new(pb::GetAssessmentsResponse { assessments }))
    }

    async fn get_rules(&self, request: Request<pb::GetRulesRequest>) -> Result<Response<pb::GetRulesResponse>, Status> {
        let current = self.app.rules().map_err(reject)?;
        let is_known = request.get_ref().known_version == current.version;
        let rules = (!is_known).then(|| from_rules(&current.rules));
        Ok(Response::new(pb::GetRulesResponse { version: current.version, rules }))
    }

    async fn replace_rules(
        &self,
        request: Request<pb::ReplaceRulesRequest>,
    ) -> Result<Response<pb::ReplaceRulesResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let request = request.into_inner();
        let rules = request.rules.ok_or_else(|| reject(Error::invalid("rules", "is required")))?;
        let rules = to_rules(rules).map_err(reject)?;
        let replaced = self.app.replace_rules(&context, request.expected_version, rules).await;
        Ok(Response::new(pb::ReplaceRulesResponse { version: replaced.map_err(reject)? }))
    }
}

fn reject(error: impl Into<RiskError>) -> Status {
    service::grpc::reject(Error::from(error.into()))
}

fn to_candidate(request: &pb::AssessRequest) -> Result<Candidate, Error> {
    let total =
        proto::to_money("total", request.total.clone()).map_err(|error| Error::invalid("total", error.to_string()))?;
    Ok(Candidate {
        order_id: parse("order_id", &request.order_id)?,
        user_id: parse("user_id", &request.user_id)?,
        attempt: request.attempt.as_slice().try_into().map_err(|_| Error::invalid("attempt", "must be 16 bytes"))?,
        total: total.amount(),
        from: address(&request.client_address)?,
        at: primitives::now(),
    })
}

fn address(text: &str) -> Result<Option<IpAddr>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Error::invalid("client_address", "must be an IP address"))
}

fn parse<T: FromStr<Err = ParseError>>(field: &'static str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|error: ParseError| Error::invalid(field, error.to_string()))
}

fn from_assessment(assessment: Assessment) -> pb::Assessment {
    let decision = match assessment.decision {
        Decision::Accept => pb::Decision::Accept,
        Decision::Reject => pb::Decision::Reject,
    };
    pb::Assessment {
        order_id: assessment.order_id.to_string(),
        decision: decision.into(),
        score: assessment.score,
        rules_version: assessment.rules_version,
        reasons: assessment.reasons,
        assessed_at: Some(proto::from_timestamp(assessment.at)),
    }
}

fn to_rules(message: pb::Rules) -> Result<Rules, RiskError> {
    let to_rule = |(position, rule): (usize, pb::Rule)| {
        let when = match rule.when {
            Some(pb::rule::When::AmountAbove(when)) => When::AmountAbove { amount: when.amount },
            Some(pb::rule::When::AccountYoungerThan(when)) => When::AccountYoungerThan { seconds: when.seconds },
            Some(pb::rule::When::OrdersOfUser(when)) => {
                When::OrdersOfUser { most: when.most, within_seconds: when.within_seconds }
            }
            Some(pb::rule::When::OrdersOfAddress(when)) => {
                When::OrdersOfAddress { most: when.most, within_seconds: when.within_seconds }
            }
            None => return Err(Error::invalid(format!("rules[{position}].when"), "is required")),
        };
        Ok(Rule { points: rule.points, when })
    };
    let list = message.rules.into_iter().enumerate().map(to_rule).collect::<Result<_, Error>>()?;
    Ok(Rules::new(message.reject_at, list)?)
}

fn from_rules(rules: &Rules) -> pb::Rules {
    let from_rule = |rule: &Rule| {
        let when = match rule.when {
            When::AmountAbove { amount } => pb::rule::When::AmountAbove(pb::AmountAbove { amount }),
            When::AccountYoungerThan { seconds } => {
                pb::rule::When::AccountYoungerThan(pb::AccountYoungerThan { seconds })
            }
            When::OrdersOfUser { most, within_seconds } => {
                pb::rule::When::OrdersOfUser(pb::OrdersOfUser { most, within_seconds })
            }
            When::OrdersOfAddress { most, within_seconds } => {
                pb::rule::When::OrdersOfAddress(pb::OrdersOfAddress { most, within_seconds })
            }
        };
        pb::Rule { points: rule.points, when: Some(when) }
    };
    pb::Rules { reject_at: rules.reject_at(), rules: rules.list().iter().map(from_rule).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_survive_the_wire_and_are_checked() {
        let list = [
            When::AmountAbove { amount: 5 },
            When::AccountYoungerThan { seconds: 60 },
            When::OrdersOfUser { most: 5, within_seconds: 60 },
            When::OrdersOfAddress { most: 50, within_seconds: 3_600 },
        ];
        let rules = Rules::new(9, list.map(|when| Rule { points: 7, when }).to_vec()).unwrap();
        assert_eq!(to_rules(from_rules(&rules)).unwrap(), rules);
        let wrong = pb::Rules { reject_at: 0, ..from_rules(&rules) };
        assert!(matches!(to_rules(wrong), Err(RiskError::InvalidRules(_))));
        let empty = pb::Rules { reject_at: 1, rules: vec![pb::Rule { points: 1, when: None }] };
        assert!(to_rules(empty).is_err());
    }
}
