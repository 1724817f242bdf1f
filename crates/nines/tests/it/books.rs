//! Books that are right, to plant faults in: two SKUs, an order in each state, and an account that paid for two.

use devstack::testing::{backing, database_name};
use mongodb::bson::{Bson, DateTime, Document, Uuid, doc};
use mongodb::options::WriteConcern;
use mongodb::{Client, Collection, Database};

/// The ids that a fault is planted by.
pub(crate) struct Books {
    pub(crate) database: Database,
    pub(crate) user: Uuid,
    pub(crate) pending: Uuid,
    pub(crate) being_paid: Uuid,
    pub(crate) paid: Uuid,
    pub(crate) paid_by_card: Uuid,
    pub(crate) cancelled: Uuid,
    pub(crate) refunded: Uuid,
    pub(crate) refund_due: Uuid,
    pub(crate) expired: Uuid,
}

/// What a line of each order asks for, in cents a piece.
const PRICE: i64 = 150;

impl Books {
    /// Writes them into a database of their own.
    pub(crate) async fn write(test: &str) -> Self {
        Self::write_to(backing().await.mongo_uri(), test).await
    }

    /// The same on another replica set.
    pub(crate) async fn write_to(uri: &str, test: &str) -> Self {
        let client = Client::with_uri_str(uri).await.unwrap();
        let books = Self {
            database: client.database(&database_name(test)),
            user: Uuid::new(),
            pending: Uuid::new(),
            being_paid: Uuid::new(),
            paid: Uuid::new(),
            paid_by_card: Uuid::new(),
            cancelled: Uuid::new(),
            refunded: Uuid::new(),
            refund_due: Uuid::new(),
            expired: Uuid::new(),
        };
        books.orders().await;
        books.stock().await;
        books.money().await;
        books
    }

    /// A collection whose writes are seen by the next snapshot.
    pub(crate) fn collection(&self, name: &str) -> Collection<Document> {
        let options =
            mongodb::options::CollectionOptions::builder().write_concern(WriteConcern::majority()).build();
        self.database.collection_with_options(name, options)
    }

    pub(crate) async fn insert(&self, collection: &str, documents: impl IntoIterator<Item = Document>) {
        self.collection(collection).insert_many(documents).await.unwrap();
    }

    /// Changes exactly one document.
    pub(crate) async fn change(&self, collection: &str, filter: Document, update: Document) {
        let changed = self.collection(collection).update_one(filter, update).await.unwrap();
        assert_eq!(changed.modified_count, 1, "the fault was not planted");
    }

    /// Removes exactly one document.
    pub(crate) async fn remove(&self, collection: &str, filter: Document) {
        let removed = self.collection(collection).delete_one(filter).await.unwrap();
        assert_eq!(removed.deleted_count, 1, "the fault was not planted");
    }

    /// An order as the order service writes it, of 2 a and 1 b.
    pub(crate) fn order(&self, id: Uuid, status: &str, more: Document) -> Document {
        let line = |sku: &str, quantity: i32| {
            doc! { "sku": sku, "quantity": quantity, "unitPrice": PRICE, "lineTotal": PRICE * i64::from(quantity) }
        };
        let mut order = doc! {
            "_id": id, "userId": self.user, "status": status, "lines": [line("a", 2), line("b", 1)],
            "total": PRICE * 3, "currency": "USD", "risk": { "decision": "accept", "source": "local_rules" },
            "version": 1_i64, "createdAt": DateTime::now(), "expiresAt": DateTime::now(),
            "idempotencyKey": format!("key-{id}"), "requestId": "r",
        };
        order.extend(more);
        order
    }

    async fn orders(&self) {
        let paid = doc! { "paidAt": DateTime::now() };
        let attempt = doc! { "payment": { "key": "k", "requestId": "r" } };
        let due = doc! { "paidAt": DateTime::now(), "refundDue": true };
        let orders = [
            self.order(self.pending, "pending_payment", doc! {}),
            self.order(self.being_paid, "pending_payment", attempt),
            self.order(self.paid, "paid", paid.clone()),
            self.order(self.paid_by_card, "paid", paid.clone()),
            self.order(self.cancelled, "cancelled", doc! {}),
            self.order(self.refunded, "cancelled", paid),
            self.order(self.refund_due, "cancelled", due),
            self.order(self.expired, "expired", doc! {}),
        ];
        self.insert("orders", orders).await;
    }

    async fn stock(&self) {
        // A million and 50 to begin with, 10 a more by hand, and four live orders.
        let level = |sku: &str, available: i64| doc! { "_id": sku, "available": available };
        self.insert("stock_levels", [level("a", 1_000_010 - 4 * 2), level("b", 50 - 4), level("c", 0)]).await;
        let mut movements = vec![
            movement("a", 1_000_000, "initial", None),
            movement("b", 50, "initial", None),
            movement("a", 10, "adjustment: found behind the shelf", None),
        ];
        for order in [
            self.pending,
            self.being_paid,
            self.paid,
            self.paid_by_card,
            self.cancelled,
            self.refunded,
            self.refund_due,
            self.expired,
        ] {
            movements.extend(both(order, "order_placed", -1));
        }
        for order in [self.cancelled, self.refunded, self.refund_due] {
            movements.extend(both(order, "order_cancelled", 1));
        }
        movements.extend(both(self.expired, "order_expired", 1));
        self.insert("stock_movements", movements).await;
    }

    async fn money(&self) {
        let (by_balance, refunded) = (Uuid::new(), Uuid::new());
        let payments = [
            self.payment(by_balance, self.paid, "balance", "captured"),
            self.payment(refunded, self.refunded, "balance", "refunded"),
            self.payment(Uuid::new(), self.being_paid, "card", "captured"),
            self.payment(Uuid::new(), self.paid_by_card, "card", "declined"),
            self.payment(Uuid::new(), self.paid_by_card, "card", "captured"),
            self.payment(Uuid::new(), self.refund_due, "card", "refunding"),
        ];
        self.insert("payments", payments).await;
        let entries = [
            self.entry(1, 1_000, 1_000, doc! { "kind": "deposit" }),
            self.entry(
                2,
                -450,
                550,
                doc! { "kind": "payment", "orderId": self.paid, "paymentId": by_balance },
            ),
            self.entry(
                3,
                -450,
                100,
                doc! { "kind": "payment", "orderId": self.refunded, "paymentId": refunded },
            ),
            self.entry(
                4,
                450,
                550,
                doc! { "kind": "refund", "orderId": self.refunded, "paymentId": refunded },
            ),
        ];
        self.insert("account_entries", entries).await;
        let account = doc! { "_id": self.user, "balance": 550_i64, "currency": "USD", "version": 4_i64 };
        self.insert("accounts", [account]).await;
    }

    pub(crate) fn payment(&self, id: Uuid, order: Uuid, method: &str, status: &str) -> Document {
        doc! {
            "_id": id, "orderId": order, "userId": self.user, "method": method, "status": status,
            "amount": PRICE * 3, "currency": "USD", "createdAt": DateTime::now(), "updatedAt": DateTime::now(),
        }
    }

    pub(crate) fn entry(&self, sequence: i64, delta: i64, balance_after: i64, more: Document) -> Document {
        let mut entry = doc! {
            "_id": Uuid::new(), "accountId": self.user, "sequence": sequence, "delta": delta,
            "balanceAfter": balance_after, "createdAt": DateTime::now(),
        };
        entry.extend(more);
        entry
    }
}

/// The movements of an order's two lines, in this direction.
fn both(order: Uuid, reason: &str, sign: i64) -> [Document; 2] {
    [movement("a", 2 * sign, reason, Some(order)), movement("b", sign, reason, Some(order))]
}

pub(crate) fn movement(sku: &str, delta: i64, reason: &str, order: Option<Uuid>) -> Document {
    let mut movement = doc! { "_id": Uuid::new(), "sku": sku, "delta": delta, "reason": reason, "createdAt": DateTime::now() };
    if let Some(order) = order {
        movement.insert("orderId", Bson::from(order));
    }
    movement
}
