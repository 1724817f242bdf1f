//! Orders in MongoDB, and the transactions that change them together with the stock ledger.

mod audit;
mod batch;
mod document;
mod fences;
mod payments;
mod reviews;
mod schema;
mod transitions;
mod unknown_commits;

use futures::TryStreamExt as _;
use messaging::Outbox;
use mongo::idempotency::Records;
use mongo::{Db, Policy, bounded, to_bson_time, to_bson_uuid};
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use primitives::{OrderId, Sku, UserId};
use service::Deadline;
use stock::{Ledger, Levels};

use crate::domain::{Order, Status};
pub(crate) use batch::{CommitMode, Committed};
use document::{OrderDocument, PaymentDocument};
pub(crate) use schema::migrations;

const ORDERS: &str = "orders";

/// The filter of a list of orders.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OrderFilter {
    /// Orders of all users without one.
    pub(crate) user_id: Option<UserId>,
    pub(crate) status: Option<Status>,
}

/// The store of orders. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    db: Db,
    orders: Collection<OrderDocument>,
    /// The same, to be shown: read from a secondary when there is no primary.
    shown: Collection<OrderDocument>,
    ledger: Ledger,
    outbox: Outbox,
    cancellations: Records<OrderDocument>,
    payments: Records<PaymentDocument>,
}

impl Store {
    pub(crate) fn new(db: &Db, outbox: Outbox) -> Self {
        Self {
            db: db.clone(),
            orders: db.collection(Policy::Ledger, ORDERS),
            shown: db.collection(Policy::Shown, ORDERS),
            ledger: Ledger::new(db),
            outbox,
            cancellations: Records::new(db),
            payments: Records::new(db),
        }
    }

    /// An order as a majority has it, to be changed.
    pub(crate) async fn find(&self, id: OrderId, deadline: Deadline) -> Result<Option<Order>, mongo::Error> {
        find(&self.orders, id, deadline).await
    }

    /// An order to be shown: from a secondary when there is no primary.
    pub(crate) async fn show(&self, id: OrderId, deadline: Deadline) -> Result<Option<Order>, mongo::Error> {
        find(&self.shown, id, deadline).await
    }

    /// Up to `limit` orders to be shown, newest first, older than `before`.
    pub(crate) async fn list(
        &self,
        filter: OrderFilter,
        before: Option<OrderId>,
        limit: u32,
        deadline: Deadline,
    ) -> Result<Vec<Order>, mongo::Error> {
        let mut query = Document::new();
        // Leaves fences out. One index serves lists of one status and of all: the server merges the four by `_id`.
        query.insert("status", doc! { "$in": Status::ALL.map(Status::name).to_vec() });
        if let Some(user_id) = filter.user_id {
            query.insert("userId", to_bson_uuid(user_id.as_uuid()));
        }
        if let Some(status) = filter.status {
            query.insert("status", status.name());
        }
        if let Some(before) = before {
            query.insert("_id", doc! { "$lt": to_bson_uuid(before.as_uuid()) });
        }
        collect(&self.shown, query, doc! { "_id": -1 }, limit, deadline).await
    }

    /// Up to `limit` unclaimed orders whose time to pay has passed, longest ago first: candidates, since
    /// `Order::expire` decides.
    pub(crate) async fn expired(&self, limit: u32, deadline: Deadline) -> Result<Vec<Order>, mongo::Error> {
        let query = doc! {
            "status": Status::PendingPayment.name(),
            "expiresAt": { "$lte": to_bson_time(primitives::now()) },
            "payment": { "$exists": false },
        };
        collect(&self.orders, query, doc! { "expiresAt": 1 }, limit, deadline).await
    }

    /// The counters of these SKUs, as a majority has them.
    pub(crate) async fn levels(&self, skus: &[Sku], deadline: Deadline) -> Result<Levels, mongo::Error> {
        self.ledger.current_levels(skus, deadline).await
    }
}

async fn find(
    orders: &Collection<OrderDocument>,
    id: OrderId,
    deadline: Deadline,
) -> Result<Option<Order>, mongo::Error> {
    let filter = doc! { "_id": to_bson_uuid(id.as_uuid()) };
    let found = bounded(deadline, |left| orders.find_one(filter).max_time(left)).await?;
    Ok(found.map(Order::try_from).transpose()?)
}

async fn collect(
    orders: &Collection<OrderDocument>,
    query: Document,
    sort: Document,
    limit: u32,
    deadline: Deadline,
) -> Result<Vec<Order>, mongo::Error> {
    let limit = i64::from(limit);
    let cursor = bounded(deadline, |left| orders.find(query).sort(sort).limit(limit).max_time(left)).await?;
    let documents: Vec<_> = bounded(deadline, |_| cursor.try_collect()).await?;
    Ok(documents.into_iter().map(Order::try_from).collect::<Result<_, _>>()?)
}
