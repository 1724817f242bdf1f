//! The `login_audit` collection, under the policy for logs.

use std::time::Duration;

use mongo::{Db, Policy, bounded, to_bson_time, to_bson_uuid};
use mongodb::Collection;
use mongodb::bson::{DateTime, Uuid};
use serde::{Deserialize, Serialize};
use service::Deadline;

use super::LOGIN_AUDIT;
use crate::domain::LoginRecord;

/// The audit log of logins.
#[derive(Debug)]
pub(crate) struct LoginAudit {
    records: Collection<LoginDocument>,
    retention: Duration,
}

/// The driver generates the `_id`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoginDocument {
    at: DateTime,
    outcome: String,
    account: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<Uuid>,
    request_id: String,
    expires_at: DateTime,
}

impl LoginAudit {
    /// An audit log that keeps records for `retention`.
    pub(crate) fn new(db: &Db, retention: Duration) -> Self {
        Self { records: db.collection(Policy::Log, LOGIN_AUDIT), retention }
    }

    /// Writes records; at least one.
    pub(crate) async fn insert(
        &self,
        records: impl Iterator<Item = LoginRecord>,
        deadline: Deadline,
    ) -> Result<(), mongo::Error> {
        let documents: Vec<_> = records.map(|record| self.document(record)).collect();
        bounded(deadline, |_| self.records.insert_many(documents).ordered(false)).await?;
        Ok(())
    }

    fn document(&self, record: LoginRecord) -> LoginDocument {
        LoginDocument {
            at: to_bson_time(record.at),
            outcome: record.outcome.name().to_owned(),
            account: record.account.as_str().to_owned(),
            address: record.address.map(|address| address.to_string()),
            user_id: record.user_id.map(|id| to_bson_uuid(id.as_uuid())),
            request_id: record.request_id,
            expires_at: to_bson_time(record.at + self.retention),
        }
    }
}
