//! The rules, in all versions.

use std::future::IntoFuture as _;

use jiff::Timestamp;
use mongo::{bounded, duplicate_key_index};
use mongodb::bson::doc;
use primitives::UserId;
use service::Deadline;

use super::Store;
use super::documents::RulesDocument;
use crate::domain::VersionedRules;

impl Store {
    /// The rules of the highest version.
    pub(crate) async fn newest_rules(&self, deadline: Deadline) -> Result<Option<VersionedRules>, mongo::Error> {
        let find = |left| self.rules.find_one(doc! {}).sort(doc! { "_id": -1 }).max_time(left);
        let found = bounded(deadline, find).await?;
        Ok(found.map(VersionedRules::try_from).transpose()?)
    }

    /// Adds a version; `false` if it exists already.
    pub(crate) async fn add_rules(
        &self,
        rules: &VersionedRules,
        by: UserId,
        at: Timestamp,
        deadline: Deadline,
    ) -> Result<bool, mongo::Error> {
        let document = RulesDocument::new(rules, by, at)?;
        match deadline.bound(self.rules.insert_one(document).into_future()).await? {
            Ok(_) => Ok(true),
            Err(error) if duplicate_key_index(&error).is_some() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
