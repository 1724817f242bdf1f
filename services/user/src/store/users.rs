//! The `users` collection.

use futures::TryStreamExt as _;
use mongo::{
    ConvertError, Db, Policy, bounded, duplicate_key_index, from_bson_time, from_bson_uuid, to_bson_time, to_bson_uuid,
    to_i64, to_u64,
};
use mongodb::Collection;
use mongodb::bson::{DateTime, Document, Uuid, doc};
use primitives::UserId;
use serde::{Deserialize, Serialize};
use service::{Deadline, Role};

use super::USERS;
use super::schema::BY_EMAIL;
use crate::domain::{DisplayName, Email, PasswordHash, User, VersionMismatch};
use crate::error::UserError;

/// All users. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Users {
    users: Collection<UserDocument>,
    /// The same collection for reads that are only displayed.
    shown: Collection<UserDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserDocument {
    #[serde(rename = "_id")]
    id: Uuid,
    name: String,
    email: String,
    email_key: String,
    password_hash: String,
    role: String,
    version: i64,
    created_at: DateTime,
}

impl Users {
    pub(crate) fn new(db: &Db) -> Self {
        Self { users: db.collection(Policy::Ledger, USERS), shown: db.collection(Policy::Shown, USERS) }
    }

    /// Adds a user.
    ///
    /// # Errors
    /// `EmailTaken`, by the unique index.
    pub(crate) async fn insert(
        &self,
        user: &User,
        password: &PasswordHash,
        deadline: Deadline,
    ) -> Result<(), UserError> {
        let document = UserDocument::new(user, password).map_err(mongo::Error::from)?;
        let inserted = bounded(deadline, |_| self.users.insert_one(document)).await;
        inserted.map(drop).map_err(email_taken_or)
    }

    /// A user by id.
    pub(crate) async fn find(&self, id: UserId, deadline: Deadline) -> Result<Option<User>, mongo::Error> {
        let filter = doc! { "_id": to_bson_uuid(id.as_uuid()) };
        let found = bounded(deadline, |left| self.users.find_one(filter).max_time(left)).await?;
        Ok(found.map(User::try_from).transpose()?)
    }

    /// A user by id, for display: without a primary it is read from a secondary.
    pub(crate) async fn show(&self, id: UserId, deadline: Deadline) -> Result<Option<User>, mongo::Error> {
        let filter = doc! { "_id": to_bson_uuid(id.as_uuid()) };
        let found = bounded(deadline, |left| self.shown.find_one(filter).max_time(left)).await?;
        Ok(found.map(User::try_from).transpose()?)
    }

    /// The user with this email, and the hash of the password.
    pub(crate) async fn find_login(
        &self,
        email: &Email,
        deadline: Deadline,
    ) -> Result<Option<(User, PasswordHash)>, mongo::Error> {
        let filter = doc! { "emailKey": email.key() };
        let found = bounded(deadline, |left| self.users.find_one(filter).max_time(left)).await?;
        let Some(mut document) = found else { return Ok(None) };
        let password = PasswordHash::new(std::mem::take(&mut document.password_hash));
        Ok(Some((document.try_into()?, password)))
    }

    /// Up to `limit` users after `after`, oldest first.
    pub(crate) async fn list(
        &self,
        after: Option<UserId>,
        limit: u32,
        deadline: Deadline,
    ) -> Result<Vec<User>, mongo::Error> {
        let mut filter = Document::new();
        if let Some(after) = after {
            filter.insert("_id", doc! { "$gt": to_bson_uuid(after.as_uuid()) });
        }
        let find = |left| self.shown.find(filter).sort(doc! { "_id": 1 }).limit(i64::from(limit)).max_time(left);
        let cursor = bounded(deadline, find).await?;
        let documents: Vec<_> = bounded(deadline, |_| cursor.try_collect()).await?;
        Ok(documents.into_iter().map(User::try_from).collect::<Result<_, _>>()?)
    }

    /// Writes the next version of a profile.
    ///
    /// # Errors
    /// `VersionMismatch` unless the version before is stored; `EmailTaken`, by the unique index.
    pub(crate) async fn update_profile(&self, user: &User, deadline: Deadline) -> Result<(), UserError> {
        let version = to_i64("version", user.version).map_err(mongo::Error::from)?;
        let expected = doc! { "_id": to_bson_uuid(user.id.as_uuid()), "version": version - 1 };
        let change = doc! { "$set": {
            "name": user.name.as_str(),
            "email": user.email.as_str(),
            "emailKey": user.email.key(),
            "version": version,
        } };
        let updated = bounded(deadline, |_| self.users.update_one(expected, change)).await.map_err(email_taken_or)?;
        if updated.matched_count == 0 { Err(VersionMismatch.into()) } else { Ok(()) }
    }
}

fn email_taken_or(error: mongo::Error) -> UserError {
    match &error {
        mongo::Error::Failed(driver) if duplicate_key_index(driver).as_deref() == Some(BY_EMAIL) => {
            UserError::EmailTaken
        }
        _ => error.into(),
    }
}

impl UserDocument {
    fn new(user: &User, password: &PasswordHash) -> Result<Self, ConvertError> {
        Ok(Self {
            id: to_bson_uuid(user.id.as_uuid()),
            name: user.name.as_str().to_owned(),
            email: user.email.as_str().to_owned(),
            email_key: user.email.key(),
            password_hash: password.expose().to_owned(),
            role: user.role.name().to_owned(),
            version: to_i64("version", user.version)?,
            created_at: to_bson_time(user.created_at),
        })
    }
}

impl TryFrom<UserDocument> for User {
    type Error = ConvertError;

    fn try_from(document: UserDocument) -> Result<Self, ConvertError> {
        let invalid = |_| ConvertError { what: "user" };
        Ok(Self {
            id: from_bson_uuid(document.id).into(),
            name: DisplayName::parse(&document.name).map_err(invalid)?,
            email: Email::parse(&document.email).map_err(invalid)?,
            role: Role::from_name(&document.role).ok_or(ConvertError { what: "role" })?,
            version: to_u64("version", document.version)?,
            created_at: from_bson_time(document.created_at)?,
        })
    }
}
