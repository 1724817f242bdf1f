//! Orders that were accepted without the risk service, until it is known what it has found about them.

use std::time::Duration;

use jiff::Timestamp;
use mongo::{bounded, to_bson_time, to_bson_uuid};
use mongodb::bson::{Document, doc};
use primitives::OrderId;
use service::Deadline;

use super::Store;
use super::document::review_name;
use crate::domain::{Order, Verdict};

/// The shortest and the longest wait before it is asked again.
const WAITS_MS: (i64, i64) = (1_000, 60_000);

impl Store {
    /// Up to `limit` orders about which it is time to ask, longest due first.
    pub(crate) async fn due_reviews(&self, limit: u32, deadline: Deadline) -> Result<Vec<Order>, mongo::Error> {
        let query = doc! { "reviewAt": { "$lte": to_bson_time(primitives::now()) } };
        super::collect(&self.orders, query, doc! { "reviewAt": 1 }, limit, deadline).await
    }

    /// Notes what was found about orders that stay as they are.
    pub(crate) async fn reviewed(
        &self,
        orders: &[OrderId],
        found: Verdict,
        deadline: Deadline,
    ) -> Result<(), mongo::Error> {
        let found = doc! { "$set": { "risk.review": review_name(found) } };
        self.change_reviews(orders, vec![found, doc! { "$unset": "reviewAt" }], deadline).await
    }

    /// Asks again later: after a quarter of the order's age, within bounds. Those older than `longest` are not asked
    /// about again; gives how many they are.
    pub(crate) async fn review_later(
        &self,
        orders: &[Order],
        longest: Duration,
        deadline: Deadline,
    ) -> Result<usize, mongo::Error> {
        let now = primitives::now();
        let (old, young): (Vec<_>, Vec<_>) = orders.iter().partition(|order| order.created_at + longest < now);
        let ids = |orders: Vec<&Order>| orders.into_iter().map(|order| order.id).collect::<Vec<_>>();
        let given_up = old.len();
        self.change_reviews(&ids(old), vec![doc! { "$unset": "reviewAt" }], deadline).await?;
        self.change_reviews(&ids(young), vec![later(now)], deadline).await?;
        Ok(given_up)
    }

    async fn change_reviews(
        &self,
        orders: &[OrderId],
        update: Vec<Document>,
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

fn later(now: Timestamp) -> Document {
    let now = to_bson_time(now);
    let (shortest, longest) = WAITS_MS;
    let quarter = doc! { "$divide": [{ "$subtract": [now, "$createdAt"] }, 4] };
    let wait = doc! { "$min": [longest, { "$max": [shortest, quarter] }] };
    doc! { "$set": { "reviewAt": { "$add": [now, wait] } } }
}
