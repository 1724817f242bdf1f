//! The stored assessments of orders: refusals, and the results of reviews.

use std::future::IntoFuture as _;

use futures::TryStreamExt as _;
use mongo::{ConvertError, bounded, duplicate_key_index, to_bson_uuid};
use mongodb::bson::doc;
use primitives::OrderId;
use service::Deadline;

use super::Store;
use super::documents::AssessmentDocument;
use crate::domain::Assessment;

impl Store {
    /// The assessments of these orders, as committed by a majority.
    pub(crate) async fn assessments(
        &self,
        orders: &[OrderId],
        deadline: Deadline,
    ) -> Result<Vec<Assessment>, mongo::Error> {
        let ids: Vec<_> = orders.iter().map(|id| to_bson_uuid(id.as_uuid())).collect();
        let find = |left| self.assessments.find(doc! { "_id": { "$in": ids } }).max_time(left);
        let cursor = bounded(deadline, find).await?;
        let found: Vec<AssessmentDocument> = bounded(deadline, |_| cursor.try_collect()).await?;
        Ok(found.into_iter().map(Assessment::try_from).collect::<Result<_, ConvertError>>()?)
    }

    /// Adds refusals. An order that has an assessment keeps it: it was placed after all, and reviewed.
    pub(crate) async fn add_refusals(&self, refusals: &[Assessment], deadline: Deadline) -> Result<(), mongo::Error> {
        if refusals.is_empty() {
            return Ok(());
        }
        let documents: Vec<_> = refusals.iter().map(AssessmentDocument::from).collect();
        let insert = self.refusals.insert_many(documents).ordered(false);
        match deadline.bound(insert.into_future()).await? {
            Ok(_) => Ok(()),
            Err(error) if duplicate_key_index(&error).is_some() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
