//! The baseline: one transaction per order in a bounded retry loop, directly on the driver, as a careful user of
//! MongoDB writes it. It writes the same documents as the order service into the same collections, under the same
//! concerns, in five round trips: all counters in one command, the order, the movements, the events, the commit. The
//! counters come first, so that an attempt that conflicts with another order has done nothing else yet; the reverse
//! order was slower.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use mongodb::bson::{Binary, DateTime, Document, Uuid, doc, spec::BinarySubtype};
use mongodb::error::{Error, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::{
    Acknowledgment, ClientOptions, CollectionOptions, ReadConcern, TransactionOptions, WriteConcern,
};
use mongodb::{Client, ClientSession, Collection, Database};
use primitives::{MovementId, OrderId, UserId};

use super::naive_events as events;
use crate::harness::buyer::{Buyer, Outcome, PATIENCE};
use crate::harness::workload::{Goods, OrderLine};

/// The upper bound of the random wait between two attempts grows from 1 ms to this.
const LONGEST_WAIT_MS: u64 = 64;
/// The time within which an order has to be paid: longer than any run.
const PAYMENT_WINDOW_MS: i64 = 60 * 60 * 1_000;

/// Places each order in a transaction of its own.
#[derive(Debug)]
pub(super) struct Naive {
    client: Client,
    database: Database,
    orders: Collection<Document>,
    movements: Collection<Document>,
    outbox: Collection<Document>,
    goods: Arc<Goods>,
    users: Vec<Uuid>,
    retries: AtomicU64,
}

/// The documents of one order.
struct Order {
    order: Document,
    counters: Vec<Document>,
    movements: Vec<Document>,
    /// The outbox entry with all its events, which the order service's relay publishes.
    entry: Document,
}

impl Naive {
    /// Connects a number of clients that share `connections`.
    ///
    /// # Errors
    /// When the connection string is not valid.
    pub(super) async fn connect(
        uri: &str,
        database: &str,
        goods: &Arc<Goods>,
        clients: usize,
        connections: u32,
    ) -> anyhow::Result<Self> {
        let mut options = ClientOptions::parse(uri).await?;
        options.app_name = Some("bench".to_owned());
        options.max_pool_size = Some(connections);
        let client = Client::with_options(options)?;
        let database = client.database(database);
        let options = CollectionOptions::builder().write_concern(majority()).build();
        Ok(Self {
            orders: database.collection_with_options("orders", options.clone()),
            movements: database.collection_with_options("stock_movements", options.clone()),
            outbox: database.collection_with_options("outbox", options),
            client,
            database,
            goods: Arc::clone(goods),
            users: (0..clients).map(|_| bson_uuid(UserId::new().as_uuid())).collect(),
            retries: AtomicU64::new(0),
        })
    }

    async fn try_until_placed(&self, order: &Order) -> anyhow::Result<Outcome> {
        let mut session = self.client.start_session().await?;
        let mut longest_ms = 1;
        loop {
            match self.attempt(&mut session, order).await {
                Ok(true) => return Ok(Outcome::Placed),
                Ok(false) => anyhow::bail!("a product is out of stock, which should not happen"),
                Err(error) if error.contains_label(TRANSIENT_TRANSACTION_ERROR) => {
                    self.retries.fetch_add(1, Ordering::Relaxed);
                    // In most cases the server has aborted it already, and this fails without consequence.
                    let _aborted = session.abort_transaction().await;
                    tokio::time::sleep(full_jitter(longest_ms)).await;
                    longest_ms = (longest_ms * 2).min(LONGEST_WAIT_MS);
                }
                Err(error) => return Err(error).context("an order with a transaction of its own failed"),
            }
        }
    }

    /// One attempt; `false` when a counter does not cover its line.
    async fn attempt(&self, session: &mut ClientSession, order: &Order) -> Result<bool, Error> {
        let options =
            TransactionOptions::builder().read_concern(ReadConcern::snapshot()).write_concern(majority()).build();
        #[allow(clippy::disallowed_methods)] // the loop that a user without our crates would write
        session.start_transaction().with_options(options).await?;
        let update = doc! { "update": "stock_levels", "updates": order.counters.clone() };
        let reply = self.database.run_command(update).session(&mut *session).await?;
        if usize::try_from(reply.get_i32("n").unwrap_or_default()) != Ok(order.counters.len()) {
            session.abort_transaction().await?;
            return Ok(false);
        }
        self.orders.insert_one(&order.order).session(&mut *session).await?;
        self.movements.insert_many(&order.movements).session(&mut *session).await?;
        self.outbox.insert_one(&order.entry).session(&mut *session).await?;
        loop {
            match session.commit_transaction().await {
                Err(error) if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) => {}
                ended => return ended.map(|()| true),
            }
        }
    }
}

impl Buyer for Naive {
    const NAME: &'static str = "naive";

    async fn place(&self, client: usize, lines: &[OrderLine]) -> anyhow::Result<Outcome> {
        let order = Order::new(self.users[client], &self.goods, lines);
        match tokio::time::timeout(PATIENCE, self.try_until_placed(&order)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Ok(Outcome::TimedOut),
        }
    }

    async fn retries(&self) -> anyhow::Result<u64> {
        Ok(self.retries.load(Ordering::Relaxed))
    }
}

impl Order {
    /// The same documents as the order service's; the collections' validators check them.
    fn new(user: Uuid, goods: &Goods, lines: &[OrderLine]) -> Self {
        let (id, now) = (bson_uuid(OrderId::new().as_uuid()), DateTime::now());
        let expires_at = DateTime::from_millis(now.timestamp_millis() + PAYMENT_WINDOW_MS);
        let mut order_lines = Vec::with_capacity(lines.len());
        let mut counters = Vec::with_capacity(lines.len());
        let mut movements = Vec::with_capacity(lines.len());
        let mut moved = Vec::with_capacity(lines.len());
        let mut total = 0;
        for line in lines {
            let (product, pieces) = (goods.product(*line), i64::from(line.pieces));
            let movement = bson_uuid(MovementId::new().as_uuid());
            let (sku, line_total) = (&product.sku, product.cents * pieces);
            total += line_total;
            // At most 100,000.
            let quantity = i32::try_from(line.pieces).unwrap_or(i32::MAX);
            order_lines.push(doc! {
                "sku": sku, "quantity": quantity, "unitPrice": product.cents, "lineTotal": line_total,
                "takenBy": movement,
            });
            counters.push(doc! {
                "q": { "_id": sku, "available": { "$gte": pieces } },
                "u": { "$inc": { "available": -pieces } },
            });
            moved.push(events::Moved { id: movement, sku, delta: -pieces });
            movements.push(doc! {
                "_id": movement, "sku": sku, "delta": -pieces, "reason": "order_placed", "orderId": id,
                "createdAt": now,
            });
        }
        let order = doc! {
            "_id": id,
            "userId": user,
            "status": "pending_payment",
            "lines": order_lines,
            "total": total,
            "currency": "USD",
            "risk": { "decision": "accept", "source": "local_rules" },
            "version": 1_i64,
            "createdAt": now,
            "expiresAt": expires_at,
            "idempotencyKey": uuid::Uuid::now_v7().to_string(),
            "fingerprint": Binary { subtype: BinarySubtype::Generic, bytes: rand::random::<[u8; 32]>().to_vec() },
            "requestId": uuid::Uuid::now_v7().to_string(),
        };
        let entry = events::entry(user, id, total, now, &moved);
        Self { order, counters, movements, entry }
    }
}

fn majority() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}

fn bson_uuid(id: uuid::Uuid) -> Uuid {
    Uuid::from_bytes(id.into_bytes())
}

/// A random wait from 0 to the longest one ("full jitter", Marc Brooker, "Exponential Backoff And Jitter").
fn full_jitter(longest_ms: u64) -> Duration {
    Duration::from_micros(rand::random_range(0..=longest_ms * 1_000))
}
