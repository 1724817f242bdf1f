//! What was found about orders: refusals, and what came of looking again.

use std::future::IntoFuture as _;

use futures::TryStreamExt as _;
use mongo::{ConvertError, bounded, duplicate_key_index, to_bson_uuid};
use mongodb::ClientSession;
use mongodb::bson::{doc, serialize_to_document};
use mongodb::error::Error as DriverError;
use primitives::OrderId;
use service::Deadline;

use super::counts::check;
use super::documents::AssessmentDocument;
use super::{ASSESSMENTS, Store};
use crate::domain::Assessment;

impl Store {
    /// What a majority has of these orders.
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

    /// Adds refusals of orders that are not placed. What is known of an order already stays: it was placed after all,
    /// and looked at again.
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

    /// Writes what came of looking again.
    pub(crate) async fn put_reviews(
        &self,
        session: &mut ClientSession,
        reviews: &[Assessment],
    ) -> Result<(), DriverError> {
        let mut updates = Vec::with_capacity(reviews.len());
        for review in reviews {
            let document = serialize_to_document(&AssessmentDocument::from(review))?;
            let id = doc! { "_id": to_bson_uuid(review.order_id.as_uuid()) };
            updates.push(doc! { "q": id, "u": document, "upsert": true });
        }
        let command = doc! { "update": ASSESSMENTS, "updates": updates };
        let reply = self.db.database().run_command(command).session(session).await?;
        check(&reply)
    }
}
