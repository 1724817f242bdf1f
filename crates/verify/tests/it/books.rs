//! Right books to plant faults in: three SKUs, an order in each state, movements for one and for several orders, and an
//! account that paid for two orders.

use devstack::testing::{backing, database_name};
use mongodb::bson::{Bson, DateTime, Document, Uuid, doc};
use mongodb::options::WriteConcern;
use mongodb::{Client, Collection, Database};

/// The database and the ids of its documents.
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

/// The unit price of each order line, in cents.
const PRICE: i64 = 150;

impl Books {
    /// Writes the books into a database of their own.
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
        books.orders_and_stock().await;
        books.money().await;
        books
    }

    /// A collection whose writes the next snapshot sees.
    pub(crate) fn collection(&self, name: &str) -> Collection<Document> {
        let options = mongodb::options::CollectionOptions::builder().write_concern(WriteConcern::majority()).build();
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

    /// The movement that a line of an order names in this field.
    pub(crate) async fn named(&self, order: Uuid, line: usize, field: &str) -> Uuid {
        let order = self.collection("orders").find_one(doc! { "_id": order }).await.unwrap().unwrap();
        let line = order.get_array("lines").unwrap()[line].as_document().unwrap().clone();
        mongodb::bson::deserialize_from_bson(line.get(field).unwrap().clone()).unwrap()
    }

    /// An order as the order service writes it, of 2 a and 1 b.
    pub(crate) fn order(&self, id: Uuid, status: &str, moved: Moved, more: Document) -> Document {
        let mut order = doc! {
            "_id": id, "userId": self.user, "status": status,
            "lines": [moved.line(0, "a", 2), moved.line(1, "b", 1)],
            "total": PRICE * 3, "currency": "USD", "risk": { "decision": "accept", "source": "local_rules" },
            "version": 1_i64, "createdAt": DateTime::now(), "expiresAt": DateTime::now(),
            "idempotencyKey": format!("key-{id}"), "requestId": "r",
        };
        order.extend(more);
        order
    }

    /// Three batches took the stock of two orders, one order and five orders; three returned the stock of two, one and
    /// one.
    async fn orders_and_stock(&self) {
        let [two, one, five, two_cancelled, one_cancelled, one_expired] = [(); 6].map(|()| Batch::new());
        let paid = doc! { "paidAt": DateTime::now() };
        let attempt = doc! { "payment": { "key": "k", "requestId": "r" } };
        let due = doc! { "paidAt": DateTime::now(), "refundDue": true };
        let orders = [
            self.order(self.pending, "pending_payment", two.took(), doc! {}),
            self.order(self.being_paid, "pending_payment", two.took(), attempt),
            self.order(self.paid, "paid", one.took(), paid.clone()),
            self.order(self.paid_by_card, "paid", five.took(), paid.clone()),
            self.order(self.cancelled, "cancelled", five.took().and_returned(two_cancelled), doc! {}),
            self.order(self.refunded, "cancelled", five.took().and_returned(two_cancelled), paid),
            self.order(self.refund_due, "cancelled", five.took().and_returned(one_cancelled), due),
            self.order(self.expired, "expired", five.took().and_returned(one_expired), doc! {}),
        ];
        self.insert("orders", orders).await;

        // Initial stock 1,000,000 of a and 50 of b, an adjustment of 10 of a, and four live orders.
        let level = |sku: &str, available: i64| doc! { "_id": sku, "available": available };
        self.insert("stock_levels", [level("a", 1_000_010 - 4 * 2), level("b", 50 - 4), level("c", 0)]).await;
        let manual = [
            movement(Uuid::new(), "a", 1_000_000, "initial", None),
            movement(Uuid::new(), "b", 50, "initial", None),
            movement(Uuid::new(), "a", 10, "adjustment: found behind the shelf", None),
        ];
        let for_orders = [
            two.movements(-2, "order_placed", None),
            one.movements(-1, "order_placed", Some(self.paid)),
            five.movements(-5, "order_placed", None),
            two_cancelled.movements(2, "order_cancelled", None),
            one_cancelled.movements(1, "order_cancelled", Some(self.refund_due)),
            one_expired.movements(1, "order_expired", Some(self.expired)),
        ];
        self.insert("stock_movements", manual.into_iter().chain(for_orders.into_iter().flatten())).await;
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
            self.entry(2, -450, 550, doc! { "kind": "payment", "orderId": self.paid, "paymentId": by_balance }),
            self.entry(3, -450, 100, doc! { "kind": "payment", "orderId": self.refunded, "paymentId": refunded }),
            self.entry(4, 450, 550, doc! { "kind": "refund", "orderId": self.refunded, "paymentId": refunded }),
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

/// The movements of a batch of orders, of a and of b.
#[derive(Clone, Copy)]
pub(crate) struct Batch([Uuid; 2]);

/// The batch that took the stock of an order, and the one that returned it.
#[derive(Clone, Copy)]
pub(crate) struct Moved {
    taken: Batch,
    returned: Option<Batch>,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self([Uuid::new(), Uuid::new()])
    }

    pub(crate) fn took(self) -> Moved {
        Moved { taken: self, returned: None }
    }

    /// The movements of a batch of this many orders; negative where it took stock.
    fn movements(self, orders: i64, reason: &str, order: Option<Uuid>) -> [Document; 2] {
        let [a, b] = self.0;
        [movement(a, "a", 2 * orders, reason, order), movement(b, "b", orders, reason, order)]
    }
}

impl Moved {
    fn and_returned(self, batch: Batch) -> Self {
        Self { returned: Some(batch), ..self }
    }

    fn line(self, number: usize, sku: &str, quantity: i32) -> Document {
        let mut line = doc! {
            "sku": sku, "quantity": quantity, "unitPrice": PRICE, "lineTotal": PRICE * i64::from(quantity),
            "takenBy": self.taken.0[number],
        };
        if let Some(returned) = self.returned {
            line.insert("returnedBy", returned.0[number]);
        }
        line
    }
}

pub(crate) fn movement(id: Uuid, sku: &str, delta: i64, reason: &str, order: Option<Uuid>) -> Document {
    let mut movement = doc! { "_id": id, "sku": sku, "delta": delta, "reason": reason, "createdAt": DateTime::now() };
    if let Some(order) = order {
        movement.insert("orderId", Bson::from(order));
    }
    movement
}
