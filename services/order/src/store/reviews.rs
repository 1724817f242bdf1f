//! Orders that were accepted without the risk service, until its verdict is known.

use jiff::Timestamp;
use mongo::{bounded, to_bson_time, to_bson_uuid};
use mongodb::bson::{Document, doc};
use primitives::OrderId;
use service::Deadline;

use super::Store;
use super::document::review_name;
use crate::domain::{Order, Verdict};

impl Store {
    /// Up to `limit` orders whose review is due, longest due first.
    pub(crate) async fn due_reviews(&self, limit: u32, deadline: Deadline) -> Result<Vec<Order>, mongo::Error> {
        let query = doc! { "reviewAt": { "$lte": to_bson_time(primitives::now()) } };
        super::collect(&self.orders, query, doc! { "reviewAt": 1 }, limit, deadline).await
    }

    /// Closes the reviews of orders that keep their state with a verdict.
    pub(crate) async fn reviewed(
        &self,
        orders: &[OrderId],
        verdict: Verdict,
        deadline: Deadline,
    ) -> Result<(), mongo::Error> {
        let update = doc! { "$set": { "risk.review": review_name(verdict) }, "$unset": { "reviewAt": "" } };
        self.update_reviews(orders, update, deadline).await
    }

    /// Sets when orders are reviewed next; without a time they are not reviewed again.
    pub(crate) async fn review_at(
        &self,
        orders: &[OrderId],
        at: Option<Timestamp>,
        deadline: Deadline,
    ) -> Result<(), mongo::Error> {
        let update = match at {
            Some(at) => doc! { "$set": { "reviewAt": to_bson_time(at) } },
            None => doc! { "$unset": { "reviewAt": "" } },
        };
        self.update_reviews(orders, update, deadline).await
    }

    async fn update_reviews(
        &self,
        orders: &[OrderId],
        update: Document,
        deadline: Deadline,
    ) -> Result<(), mongo::Error> {
        if orders.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = orders.iter().map(|id| to_bson_uuid(id.as_uuid())).collect();
        let filter = doc! { "_id": { "$in": ids }, "reviewAt": { "$exists": true } };
        bounded(deadline, |_| self.orders.update_many(filter, update)).await?;
        Ok(())
    }
}
