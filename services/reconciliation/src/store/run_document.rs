//! The document of a run, and its conversions to the domain and back.

use mongo::{ConvertError, from_bson_time, from_bson_uuid, to_bson_time, to_bson_uuid};
use mongodb::bson::{self, DateTime};
use primitives::RunId;
use serde::{Deserialize, Serialize};

use crate::domain::{Check, CheckResult, Run, RunKind, RunStatus};

pub(super) fn run_key(id: RunId) -> bson::Uuid {
    to_bson_uuid(id.as_uuid())
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunDocument {
    #[serde(rename = "_id")]
    id: bson::Uuid,
    kind: String,
    status: String,
    requested_at: DateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<DateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<DateTime>,
    checks: Vec<CheckDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    forget_at: DateTime,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CheckDocument {
    name: String,
    compared: i64,
    differences: i64,
    as_of: DateTime,
}

impl TryFrom<&Run> for RunDocument {
    type Error = ConvertError;

    fn try_from(run: &Run) -> Result<Self, ConvertError> {
        let check = |result: &CheckResult| {
            Ok(CheckDocument {
                name: result.check.name().to_owned(),
                compared: mongo::to_i64("count", result.compared)?,
                differences: mongo::to_i64("count", result.differences)?,
                as_of: to_bson_time(result.as_of),
            })
        };
        Ok(Self {
            id: run_key(run.id),
            kind: run.kind.name().to_owned(),
            status: run.status.name().to_owned(),
            requested_at: to_bson_time(run.requested_at),
            started_at: run.started_at.map(to_bson_time),
            ended_at: run.ended_at.map(to_bson_time),
            checks: run.checks.iter().map(check).collect::<Result<_, ConvertError>>()?,
            failure: run.failure.clone(),
            forget_at: to_bson_time(run.requested_at + Run::RETENTION),
        })
    }
}

impl TryFrom<RunDocument> for Run {
    type Error = ConvertError;

    fn try_from(document: RunDocument) -> Result<Self, ConvertError> {
        let invalid = || ConvertError { what: "reconciliation" };
        let check = |stored: CheckDocument| {
            Ok(CheckResult {
                check: Check::from_name(&stored.name).ok_or_else(invalid)?,
                compared: mongo::to_u64("count", stored.compared)?,
                differences: mongo::to_u64("count", stored.differences)?,
                as_of: from_bson_time(stored.as_of)?,
            })
        };
        Ok(Self {
            id: from_bson_uuid(document.id).into(),
            kind: RunKind::from_name(&document.kind).ok_or_else(invalid)?,
            status: RunStatus::from_name(&document.status).ok_or_else(invalid)?,
            requested_at: from_bson_time(document.requested_at)?,
            started_at: document.started_at.map(from_bson_time).transpose()?,
            ended_at: document.ended_at.map(from_bson_time).transpose()?,
            checks: document.checks.into_iter().map(check).collect::<Result<_, ConvertError>>()?,
            failure: document.failure,
        })
    }
}
