//! The `sessions` and `refresh_tokens` collections. Every change of a session writes the session's document, so that
//! the database orders a rotation and a concurrent end.

use futures::FutureExt as _;
use mongo::{Abort, ConvertError, Db, Policy, bounded, from_bson_time, from_bson_uuid, to_bson_time, to_bson_uuid};
use mongodb::bson::{Binary, DateTime, Uuid, doc};
use mongodb::{ClientSession, Collection};
use primitives::{SessionId, UserId};
use serde::{Deserialize, Serialize};
use service::Deadline;

use super::{REFRESH_TOKENS, SESSIONS, to_binary};
use crate::domain::{EndReason, PresentedToken, RefreshTokenHash, RefreshTokenRecord, Rotation, decide_rotation};
use crate::error::UserError;

/// All sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    db: Db,
    sessions: Collection<SessionDocument>,
    refresh_tokens: Collection<RefreshTokenDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionDocument {
    #[serde(rename = "_id")]
    id: Uuid,
    user_id: Uuid,
    created_at: DateTime,
    /// When the newest refresh token expires.
    expires_at: DateTime,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefreshTokenDocument {
    #[serde(rename = "_id")]
    hash: Binary,
    session_id: Uuid,
    user_id: Uuid,
    created_at: DateTime,
    expires_at: DateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used_at: Option<DateTime>,
}

impl Sessions {
    pub(crate) fn new(db: &Db) -> Self {
        Self {
            db: db.clone(),
            sessions: db.collection(Policy::Ledger, SESSIONS),
            refresh_tokens: db.collection(Policy::Ledger, REFRESH_TOKENS),
        }
    }

    /// Begins a session with its first token. These are two independent writes: a session without a token grants
    /// nothing and expires.
    pub(crate) async fn begin(&self, first: &RefreshTokenRecord, deadline: Deadline) -> Result<(), mongo::Error> {
        let session = SessionDocument::from(first);
        bounded(deadline, |_| self.sessions.insert_one(session)).await?;
        let token = RefreshTokenDocument::from(first);
        bounded(deadline, |_| self.refresh_tokens.insert_one(token)).await?;
        Ok(())
    }

    /// The user and the session of a token, used or not.
    pub(crate) async fn find(
        &self,
        hash: RefreshTokenHash,
        deadline: Deadline,
    ) -> Result<Option<(UserId, SessionId)>, mongo::Error> {
        let filter = doc! { "_id": to_binary(hash) };
        let found = bounded(deadline, |left| self.refresh_tokens.find_one(filter).max_time(left)).await?;
        Ok(found.map(|token| (from_bson_uuid(token.user_id).into(), from_bson_uuid(token.session_id).into())))
    }

    /// Marks a presented token as used and stores the next one of its session, in one transaction, if the domain
    /// decides so; returns the decision. Of two concurrent calls with the same token one conflicts, is retried, and
    /// finds the token used.
    pub(crate) async fn rotate(
        &self,
        presented: RefreshTokenHash,
        next: &RefreshTokenRecord,
        deadline: Deadline,
    ) -> Result<Rotation, UserError> {
        let sessions = self.clone();
        let next = next.clone();
        let rotated = self.db.transact(deadline, move |session| {
            let (sessions, next) = (sessions.clone(), next.clone());
            async move { sessions.rotate_in(session, presented, &next).await }.boxed()
        });
        Ok(rotated.await?)
    }

    async fn rotate_in(
        &self,
        session: &mut ClientSession,
        presented: RefreshTokenHash,
        next: &RefreshTokenRecord,
    ) -> Result<Rotation, Abort<UserError>> {
        let by_hash = doc! { "_id": to_binary(presented) };
        let token = self.refresh_tokens.find_one(by_hash.clone()).session(&mut *session).await?;
        let now = to_bson_time(next.created_at);
        let token = token.map(PresentedToken::try_from).transpose().map_err(unreadable)?;
        let decision = decide_rotation(token, next.created_at);
        if decision != Rotation::Rotate {
            return Ok(decision);
        }
        let live = doc! { "_id": to_bson_uuid(next.session_id.as_uuid()), "endedAt": { "$exists": false } };
        let extend = doc! { "$set": { "expiresAt": to_bson_time(next.expires_at) } };
        if self.sessions.update_one(live, extend).session(&mut *session).await?.matched_count == 0 {
            return Ok(Rotation::Refuse); // the session has ended
        }
        let mark = doc! { "$set": { "usedAt": now } };
        self.refresh_tokens.update_one(by_hash, mark).session(&mut *session).await?;
        self.refresh_tokens.insert_one(RefreshTokenDocument::from(next)).session(session).await?;
        Ok(decision)
    }

    /// Ends a session; one that has ended or belongs to another user stays as it is.
    pub(crate) async fn end(
        &self,
        id: SessionId,
        user_id: UserId,
        reason: EndReason,
        deadline: Deadline,
    ) -> Result<(), mongo::Error> {
        let live = doc! {
            "_id": to_bson_uuid(id.as_uuid()),
            "userId": to_bson_uuid(user_id.as_uuid()),
            "endedAt": { "$exists": false },
        };
        let end = doc! { "$set": { "endedAt": to_bson_time(primitives::now()), "endReason": reason.name() } };
        bounded(deadline, |_| self.sessions.update_one(live, end)).await?;
        Ok(())
    }
}

impl TryFrom<RefreshTokenDocument> for PresentedToken {
    type Error = ConvertError;

    fn try_from(document: RefreshTokenDocument) -> Result<Self, ConvertError> {
        Ok(Self { expires_at: from_bson_time(document.expires_at)?, used: document.used_at.is_some() })
    }
}

impl From<&RefreshTokenRecord> for SessionDocument {
    fn from(first: &RefreshTokenRecord) -> Self {
        Self {
            id: to_bson_uuid(first.session_id.as_uuid()),
            user_id: to_bson_uuid(first.user_id.as_uuid()),
            created_at: to_bson_time(first.created_at),
            expires_at: to_bson_time(first.expires_at),
        }
    }
}

impl From<&RefreshTokenRecord> for RefreshTokenDocument {
    fn from(record: &RefreshTokenRecord) -> Self {
        Self {
            hash: to_binary(record.hash),
            session_id: to_bson_uuid(record.session_id.as_uuid()),
            user_id: to_bson_uuid(record.user_id.as_uuid()),
            created_at: to_bson_time(record.created_at),
            expires_at: to_bson_time(record.expires_at),
            used_at: None,
        }
    }
}

/// A document with an unknown form ends the transaction like a failed operation, since a retry can't succeed.
fn unreadable(error: ConvertError) -> Abort<UserError> {
    Abort::Driver(mongodb::error::Error::custom(error))
}
