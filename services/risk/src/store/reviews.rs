//! Runs a review in the transaction of its events: reads the counts that it needs and writes its findings.

use mongo::to_bson_uuid;
use mongodb::ClientSession;
use mongodb::bson::{doc, serialize_to_document};
use mongodb::error::Error as DriverError;

use super::counts::check;
use super::documents::AssessmentDocument;
use super::{ASSESSMENTS, Store};
use crate::domain::{Assessment, Review};

impl Store {
    /// Runs a review and returns the assessments of its orders.
    pub(crate) async fn run_review(
        &self,
        session: &mut ClientSession,
        review: &Review,
    ) -> Result<Vec<Assessment>, DriverError> {
        let known = self.counts_of(session, &review.spans()).await?;
        let findings = review.decide(&known, primitives::now());
        self.add_counts(session, &findings.counts).await?;
        self.put_assessments(session, &findings.assessments).await?;
        Ok(findings.assessments)
    }

    /// Writes assessments in place of earlier ones of the same orders.
    async fn put_assessments(
        &self,
        session: &mut ClientSession,
        assessments: &[Assessment],
    ) -> Result<(), DriverError> {
        let mut updates = Vec::with_capacity(assessments.len());
        for assessment in assessments {
            let document = serialize_to_document(&AssessmentDocument::from(assessment))?;
            let id = doc! { "_id": to_bson_uuid(assessment.order_id.as_uuid()) };
            updates.push(doc! { "q": id, "u": document, "upsert": true });
        }
        let command = doc! { "update": ASSESSMENTS, "updates": updates };
        let reply = self.db.database().run_command(command).session(session).await?;
        check(&reply)
    }
}
