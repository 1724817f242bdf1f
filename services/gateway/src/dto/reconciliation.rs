//! Reconciliation runs and their results.

use proto::ConvertError;
use proto::reconciliation::v1 as wire;
use serde::Serialize;
use utoipa::ToSchema;

use crate::dto::time::Time;
use crate::schema;

/// A reconciliation run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reconciliation {
    #[schema(schema_with = schema::uuid)]
    pub(crate) id: String,
    kind: ReconciliationKind,
    status: ReconciliationStatus,
    #[schema(schema_with = schema::time)]
    requested_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::time, required = false)]
    started_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::time, required = false)]
    ended_at: Option<Time>,
    /// The number of items compared.
    compared: u64,
    /// The number of items that differ.
    differences: u64,
    /// The share of compared items that are equal, 0 to 1; present on completed runs only. Anything below 1 is a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1, nullable = false)]
    consistency_ratio: Option<f64>,
    /// One result per comparison, in the order in which they are made.
    checks: Vec<ReconciliationCheck>,
    /// The cause of the failure, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failure: Option<String>,
}

/// The kind of a run. Incremental runs compare recent changes; the others compare everything.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ReconciliationKind {
    Daily,
    OnDemand,
    Incremental,
}

/// The status of a run. A completed run has compared everything, and may have found differences.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ReconciliationStatus {
    Requested,
    Running,
    Completed,
    Failed,
}

/// A comparison of two books.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ReconciliationCheck {
    /// The name of the comparison, such as `orders_and_payments`.
    name: String,
    compared: u64,
    differences: u64,
    /// The time as of which the books were compared.
    #[schema(schema_with = schema::time)]
    as_of: Time,
}

impl TryFrom<Option<wire::Reconciliation>> for Reconciliation {
    type Error = ConvertError;

    fn try_from(run: Option<wire::Reconciliation>) -> Result<Self, ConvertError> {
        run.ok_or(ConvertError::Missing("reconciliation"))?.try_into()
    }
}

impl TryFrom<wire::Reconciliation> for Reconciliation {
    type Error = ConvertError;

    fn try_from(run: wire::Reconciliation) -> Result<Self, ConvertError> {
        Ok(Self {
            kind: run.kind().try_into()?,
            status: run.status().try_into()?,
            id: run.id,
            requested_at: Time::of("requested_at", run.requested_at)?,
            started_at: Time::maybe("started_at", run.started_at)?,
            ended_at: Time::maybe("ended_at", run.ended_at)?,
            compared: run.compared,
            differences: run.differences,
            consistency_ratio: run.consistency_ratio.map(share).transpose()?,
            checks: run.checks.into_iter().map(ReconciliationCheck::try_from).collect::<Result<_, _>>()?,
            failure: run.failure,
        })
    }
}

/// Rejects NaN and infinities too: JSON can't represent them.
fn share(ratio: f64) -> Result<f64, ConvertError> {
    if (0.0..=1.0).contains(&ratio) {
        Ok(ratio)
    } else {
        Err(ConvertError::Invalid { field: "consistency_ratio", reason: format!("{ratio} is not between 0 and 1") })
    }
}

impl TryFrom<wire::ReconciliationKind> for ReconciliationKind {
    type Error = ConvertError;

    fn try_from(kind: wire::ReconciliationKind) -> Result<Self, ConvertError> {
        match kind {
            wire::ReconciliationKind::Daily => Ok(Self::Daily),
            wire::ReconciliationKind::OnDemand => Ok(Self::OnDemand),
            wire::ReconciliationKind::Incremental => Ok(Self::Incremental),
            wire::ReconciliationKind::Unspecified => Err(ConvertError::Missing("kind")),
        }
    }
}

impl TryFrom<wire::ReconciliationStatus> for ReconciliationStatus {
    type Error = ConvertError;

    fn try_from(status: wire::ReconciliationStatus) -> Result<Self, ConvertError> {
        match status {
            wire::ReconciliationStatus::Requested => Ok(Self::Requested),
            wire::ReconciliationStatus::Running => Ok(Self::Running),
            wire::ReconciliationStatus::Completed => Ok(Self::Completed),
            wire::ReconciliationStatus::Failed => Ok(Self::Failed),
            wire::ReconciliationStatus::Unspecified => Err(ConvertError::Missing("status")),
        }
    }
}

impl TryFrom<wire::CheckResult> for ReconciliationCheck {
    type Error = ConvertError;

    fn try_from(check: wire::CheckResult) -> Result<Self, ConvertError> {
        Ok(Self {
            name: check.name,
            compared: check.compared,
            differences: check.differences,
            as_of: Time::of("as_of", check.as_of)?,
        })
    }
}

/// A difference that a run found, with the state of each side.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReconciliationException {
    /// The kind of the difference, such as `lost_event`.
    kind: String,
    /// The subject: an id, a SKU, or a customer and a day.
    subject: String,
    /// The expected state, for people.
    expected: String,
    /// The state found, for people.
    found: String,
    /// When a run first found the difference; every run since has found it too.
    #[schema(schema_with = schema::time)]
    first_seen_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    healing: Option<Healing>,
}

/// The action taken on a difference. Without one, an operator has to decide.
#[derive(Debug, Serialize, ToSchema)]
struct Healing {
    /// The action, such as `event_published_again`.
    action: String,
    #[schema(schema_with = schema::time)]
    at: Time,
    /// Whether the responsible service accepted the action. If not, the next run tries again.
    done: bool,
    /// Why the action failed, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failure: Option<String>,
}

impl TryFrom<wire::Exception> for ReconciliationException {
    type Error = ConvertError;

    fn try_from(exception: wire::Exception) -> Result<Self, ConvertError> {
        Ok(Self {
            kind: exception.kind,
            subject: exception.subject,
            expected: exception.expected,
            found: exception.found,
            first_seen_at: Time::of("first_seen_at", exception.first_seen_at)?,
            healing: exception.healing.map(Healing::try_from).transpose()?,
        })
    }
}

impl TryFrom<wire::Healing> for Healing {
    type Error = ConvertError;

    fn try_from(healing: wire::Healing) -> Result<Self, ConvertError> {
        Ok(Self {
            action: healing.action,
            at: Time::of("at", healing.at)?,
            done: healing.done,
            failure: healing.failure,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn a_run() -> wire::Reconciliation {
        wire::Reconciliation {
            kind: wire::ReconciliationKind::Daily.into(),
            status: wire::ReconciliationStatus::Completed.into(),
            requested_at: Some(prost_types::Timestamp::default()),
            ..wire::Reconciliation::default()
        }
    }

    fn json(run: wire::Reconciliation) -> Value {
        serde_json::to_value(Reconciliation::try_from(run).unwrap()).unwrap()
    }

    #[test]
    fn kinds_and_statuses_are_named_as_documented() {
        use wire::ReconciliationKind as Kind;
        use wire::ReconciliationStatus as Status;
        for (kind, name) in [(Kind::Daily, "daily"), (Kind::OnDemand, "on_demand"), (Kind::Incremental, "incremental")]
        {
            assert_eq!(json(wire::Reconciliation { kind: kind.into(), ..a_run() })["kind"], name);
        }
        for (status, name) in [
            (Status::Requested, "requested"),
            (Status::Running, "running"),
            (Status::Completed, "completed"),
            (Status::Failed, "failed"),
        ] {
            assert_eq!(json(wire::Reconciliation { status: status.into(), ..a_run() })["status"], name);
        }
        for unknown in [0, 99] {
            assert!(Reconciliation::try_from(wire::Reconciliation { kind: unknown, ..a_run() }).is_err());
            assert!(Reconciliation::try_from(wire::Reconciliation { status: unknown, ..a_run() }).is_err());
        }
    }

    #[test]
    fn a_ratio_is_a_share_or_absent() {
        let run = |ratio| wire::Reconciliation { consistency_ratio: ratio, ..a_run() };
        assert!(json(run(None)).get("consistencyRatio").is_none());
        for ratio in [0.0, 0.999_9, 1.0] {
            assert_eq!(json(run(Some(ratio)))["consistencyRatio"], json!(ratio));
        }
        for bad in [-0.1, 1.000_1, f64::NAN, f64::INFINITY] {
            assert!(Reconciliation::try_from(run(Some(bad))).is_err(), "{bad}");
        }
    }
}
