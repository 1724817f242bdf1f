//! Rules, counts and assessments as they are stored.

use std::time::Duration;

use jiff::Timestamp;
use mongo::{ConvertError, from_bson_time, from_bson_uuid, to_bson_time, to_bson_uuid, to_i64, to_u64};
use mongodb::bson::{DateTime, Uuid};
use primitives::UserId;
use serde::{Deserialize, Serialize};

use crate::domain::{Assessment, Counter, Decision, Entry, Rule, Rules, VersionedRules, When};

/// How long an assessment is kept: 90 days.
const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RulesDocument {
    #[serde(rename = "_id")]
    version: i64,
    reject_at: i64,
    rules: Vec<RuleDocument>,
    /// The administrator who added them.
    added_by: Uuid,
    added_at: DateTime,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuleDocument {
    kind: String,
    points: i64,
    /// The amount, the age in seconds, or the maximum number of orders.
    limit: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    within_seconds: Option<i64>,
}

impl RulesDocument {
    pub(super) fn new(rules: &VersionedRules, by: UserId, at: Timestamp) -> Result<Self, ConvertError> {
        Ok(Self {
            version: to_i64("version", rules.version)?,
            reject_at: rules.rules.reject_at().into(),
            rules: rules.rules.list().iter().map(RuleDocument::from).collect(),
            added_by: to_bson_uuid(by.as_uuid()),
            added_at: to_bson_time(at),
        })
    }
}

impl From<&Rule> for RuleDocument {
    fn from(rule: &Rule) -> Self {
        let (limit, within) = match rule.when {
            When::AmountAbove { amount } => (amount, None),
            When::AccountYoungerThan { seconds } => (seconds.into(), None),
            When::OrdersOfUser { most, within_seconds } | When::OrdersOfAddress { most, within_seconds } => {
                (most.into(), Some(within_seconds.into()))
            }
        };
        let kind = rule.when.name().to_owned();
        Self { kind, points: rule.points.into(), limit, within_seconds: within }
    }
}

impl TryFrom<RulesDocument> for VersionedRules {
    type Error = ConvertError;

    fn try_from(document: RulesDocument) -> Result<Self, ConvertError> {
        let list = document.rules.into_iter().map(Rule::try_from).collect::<Result<_, _>>()?;
        let rules = Rules::new(to_u32(document.reject_at)?, list).map_err(|_| INVALID_RULES)?;
        Ok(Self { version: to_u64("version", document.version)?, rules })
    }
}

const INVALID_RULES: ConvertError = ConvertError { what: "set of rules" };

impl TryFrom<RuleDocument> for Rule {
    type Error = ConvertError;

    fn try_from(document: RuleDocument) -> Result<Self, ConvertError> {
        let within_seconds = || to_u32(document.within_seconds.unwrap_or_default());
        let when = match document.kind.as_str() {
            "amount_above" => When::AmountAbove { amount: document.limit },
            "account_younger_than" => When::AccountYoungerThan { seconds: to_u32(document.limit)? },
            "orders_of_user" => When::OrdersOfUser { most: to_u32(document.limit)?, within_seconds: within_seconds()? },
            "orders_of_address" => {
                When::OrdersOfAddress { most: to_u32(document.limit)?, within_seconds: within_seconds()? }
            }
            _ => return Err(INVALID_RULES),
        };
        Ok(Self { points: to_u32(document.points)?, when })
    }
}

fn to_u32(number: i64) -> Result<u32, ConvertError> {
    u32::try_from(number).map_err(|_| INVALID_RULES)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CountDocument {
    #[serde(rename = "_id")]
    id: CountId,
    count: i64,
    /// When it was last changed, by the database's clock.
    pub(super) at: DateTime,
    forget_at: DateTime,
}

/// The fields are in the order of the index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CountId {
    pub(super) subject: String,
    pub(super) bucket: i64,
    pub(super) counter: i64,
}

impl From<&Entry> for CountId {
    fn from(entry: &Entry) -> Self {
        Self { subject: entry.subject.to_string(), bucket: entry.bucket, counter: entry.counter.0 }
    }
}

impl TryFrom<CountDocument> for Entry {
    type Error = ConvertError;

    fn try_from(document: CountDocument) -> Result<Self, ConvertError> {
        Ok(Self {
            subject: document.id.subject.parse().map_err(|_| ConvertError { what: "count" })?,
            bucket: document.id.bucket,
            counter: Counter(document.id.counter),
            count: u32::try_from(document.count).map_err(|_| ConvertError { what: "count" })?,
        })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssessmentDocument {
    /// The order's id.
    #[serde(rename = "_id")]
    id: Uuid,
    user_id: Uuid,
    decision: String,
    score: i64,
    rules_version: i64,
    reasons: Vec<String>,
    at: DateTime,
    forget_at: DateTime,
}

impl From<&Assessment> for AssessmentDocument {
    fn from(assessment: &Assessment) -> Self {
        Self {
            id: to_bson_uuid(assessment.order_id.as_uuid()),
            user_id: to_bson_uuid(assessment.user_id.as_uuid()),
            decision: assessment.decision.name().to_owned(),
            score: assessment.score.into(),
            rules_version: i64::try_from(assessment.rules_version).unwrap_or(i64::MAX),
            reasons: assessment.reasons.clone(),
            at: to_bson_time(assessment.at),
            forget_at: to_bson_time(assessment.at + KEPT),
        }
    }
}

impl TryFrom<AssessmentDocument> for Assessment {
    type Error = ConvertError;

    fn try_from(document: AssessmentDocument) -> Result<Self, ConvertError> {
        let invalid = ConvertError { what: "assessment" };
        Ok(Self {
            order_id: from_bson_uuid(document.id).into(),
            user_id: from_bson_uuid(document.user_id).into(),
            decision: Decision::from_name(&document.decision).ok_or(invalid)?,
            score: to_u32(document.score)?,
            rules_version: to_u64("rules version", document.rules_version)?,
            reasons: document.reasons,
            at: from_bson_time(document.at)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_rule_survives_its_document() {
        let list = [
            When::AmountAbove { amount: i64::MAX },
            When::AccountYoungerThan { seconds: 60 },
            When::OrdersOfUser { most: 5, within_seconds: 60 },
            When::OrdersOfAddress { most: 50, within_seconds: 3_600 },
        ];
        let list = list.map(|when| Rule { points: 7, when }).to_vec();
        let rules = VersionedRules { version: 3, rules: Rules::new(100, list).unwrap() };
        let document = RulesDocument::new(&rules, UserId::new(), primitives::now()).unwrap();
        assert_eq!(VersionedRules::try_from(document).unwrap(), rules);
    }
}
