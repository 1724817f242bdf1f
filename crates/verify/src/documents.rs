//! What the checks read of the stored documents. Written down here a second time, and not taken from the services, so
//! that a fault in their reading can't hide itself.

use mongodb::bson::{Bson, DateTime, Document, Uuid, doc};
use serde::{Deserialize, Deserializer};

/// A document in a stream that is sorted by a key.
pub(super) trait Stored: serde::de::DeserializeOwned {
    const COLLECTION: &'static str;
    /// What the stream is sorted by.
    type Key: Ord + Clone;

    fn key(&self) -> Self::Key;
}

/// All collections that are checked.
pub(super) const COLLECTIONS: [&str; 6] =
    ["stock_levels", "stock_movements", "orders", "accounts", "account_entries", "payments"];

/// The reasons of movements for an order.
pub(super) const PLACED: &str = "order_placed";
pub(super) const CANCELLED: &str = "order_cancelled";
pub(super) const EXPIRED: &str = "order_expired";
pub(super) const INITIAL: &str = "initial";
pub(super) const ADJUSTMENT: &str = "adjustment: ";

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Level {
    #[serde(rename = "_id")]
    pub(super) sku: String,
    #[serde(deserialize_with = "integer")]
    pub(super) available: i64,
}

impl Stored for Level {
    const COLLECTION: &'static str = "stock_levels";
    type Key = String;

    fn key(&self) -> String {
        self.sku.clone()
    }
}

/// The movements of a SKU, added up by the server.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MovementSums {
    #[serde(rename = "_id")]
    pub(super) sku: String,
    #[serde(deserialize_with = "integer")]
    pub(super) count: i64,
    #[serde(deserialize_with = "integer")]
    pub(super) sum: i64,
    /// Initial stock and adjustments alone.
    #[serde(deserialize_with = "integer")]
    pub(super) base: i64,
    /// How many have a reason that the ledger doesn't know.
    #[serde(deserialize_with = "integer")]
    pub(super) unknown: i64,
}

impl Stored for MovementSums {
    const COLLECTION: &'static str = "stock_movements";
    type Key = String;

    fn key(&self) -> String {
        self.sku.clone()
    }
}

/// The pieces of a SKU in live orders, added up by the server.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LivePieces {
    #[serde(rename = "_id")]
    pub(super) sku: String,
    #[serde(deserialize_with = "integer")]
    pub(super) pieces: i64,
}

impl Stored for LivePieces {
    const COLLECTION: &'static str = "orders";
    type Key = String;

    fn key(&self) -> String {
        self.sku.clone()
    }
}

/// A movement for orders.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Movement {
    #[serde(rename = "_id")]
    pub(super) id: Uuid,
    /// When it is for this order alone.
    pub(super) order_id: Option<Uuid>,
    pub(super) sku: String,
    #[serde(deserialize_with = "integer")]
    pub(super) delta: i64,
    pub(super) reason: String,
}

impl Stored for Movement {
    const COLLECTION: &'static str = "stock_movements";
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.id
    }
}

/// The order lines that name a movement, added up by the server. What should be the same in all of them is there as the
/// lowest and the highest.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Lines {
    #[serde(rename = "_id")]
    pub(super) movement: Uuid,
    #[serde(deserialize_with = "integer")]
    pub(super) count: i64,
    #[serde(deserialize_with = "integer")]
    pub(super) pieces: i64,
    pub(super) first_sku: String,
    pub(super) last_sku: String,
    pub(super) first_order: Uuid,
    pub(super) last_order: Uuid,
    /// Of the orders.
    pub(super) first_status: String,
    pub(super) last_status: String,
}

impl Stored for Lines {
    const COLLECTION: &'static str = "orders";
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.movement
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OrderStatus {
    PendingPayment,
    Paid,
    Cancelled,
    Expired,
}

impl OrderStatus {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PendingPayment => "pending_payment",
            Self::Paid => "paid",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    #[serde(rename = "_id")]
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) status: OrderStatus,
    pub(super) lines: Vec<Line>,
    #[serde(deserialize_with = "integer")]
    pub(super) total: i64,
    pub(super) currency: String,
    pub(super) paid_at: Option<DateTime>,
    /// The attempt to pay that has the order to itself.
    pub(super) payment: Option<Document>,
    /// A captured payment has to be given back.
    pub(super) refund_due: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    pub(super) sku: String,
    #[serde(deserialize_with = "integer")]
    pub(super) quantity: i64,
    #[serde(deserialize_with = "integer")]
    pub(super) unit_price: i64,
    #[serde(deserialize_with = "integer")]
    pub(super) line_total: i64,
    /// The movement that took its stock.
    pub(super) taken_by: Option<Uuid>,
    /// The movement that gave it back.
    pub(super) returned_by: Option<Uuid>,
}

impl Stored for Order {
    const COLLECTION: &'static str = "orders";
    type Key = Option<Uuid>;

    fn key(&self) -> Option<Uuid> {
        Some(self.id)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PaymentStatus {
    Pending,
    Captured,
    Declined,
    Refunding,
    Refunded,
}

impl PaymentStatus {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Method {
    Balance,
    Card,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payment {
    #[serde(rename = "_id")]
    pub(super) id: Uuid,
    pub(super) order_id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) method: Method,
    pub(super) status: PaymentStatus,
    #[serde(deserialize_with = "integer")]
    pub(super) amount: i64,
    pub(super) currency: String,
}

impl Stored for Payment {
    const COLLECTION: &'static str = "payments";
    type Key = Option<Uuid>;

    fn key(&self) -> Option<Uuid> {
        Some(self.order_id)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    #[serde(rename = "_id")]
    pub(super) id: Uuid,
    #[serde(deserialize_with = "integer")]
    pub(super) balance: i64,
    /// How many entries it has.
    #[serde(deserialize_with = "integer")]
    pub(super) version: i64,
}

impl Stored for Account {
    const COLLECTION: &'static str = "accounts";
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.id
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    #[serde(rename = "_id")]
    pub(super) id: Uuid,
    pub(super) account_id: Uuid,
    #[serde(deserialize_with = "integer")]
    pub(super) sequence: i64,
    #[serde(deserialize_with = "integer")]
    pub(super) delta: i64,
    #[serde(deserialize_with = "integer")]
    pub(super) balance_after: i64,
}

impl Stored for Entry {
    const COLLECTION: &'static str = "account_entries";
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.account_id
    }
}

/// An entry for an order.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderEntry {
    #[serde(rename = "_id")]
    pub(super) id: Uuid,
    pub(super) order_id: Option<Uuid>,
    pub(super) payment_id: Option<Uuid>,
    pub(super) account_id: Uuid,
    #[serde(deserialize_with = "integer")]
    pub(super) delta: i64,
    pub(super) kind: String,
}

impl Stored for OrderEntry {
    const COLLECTION: &'static str = "account_entries";
    type Key = Option<Uuid>;

    fn key(&self) -> Option<Uuid> {
        self.order_id
    }
}

/// Orders that share an idempotency key.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SharedKey {
    #[serde(rename = "_id")]
    pub(super) scope: KeyScope,
    #[serde(deserialize_with = "integer")]
    pub(super) orders: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyScope {
    pub(super) user_id: Option<Uuid>,
    pub(super) idempotency_key: Option<String>,
}

impl Stored for SharedKey {
    const COLLECTION: &'static str = "orders";
    type Key = KeyScope;

    fn key(&self) -> KeyScope {
        self.scope.clone()
    }
}

/// A sum of the server is the smallest of its number types that holds it. One that needed a double is beyond what we
/// count.
fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    match Bson::deserialize(deserializer)? {
        Bson::Int32(value) => Ok(i64::from(value)),
        Bson::Int64(value) => Ok(value),
        other => Err(serde::de::Error::custom(format!("{:?} where an integer should be", other.element_type()))),
    }
}

/// The fields that a stream needs, so that no others are sorted and sent.
pub(super) fn fields(names: &[&str]) -> Document {
    doc! { "$project": names.iter().map(|name| ((*name).to_owned(), Bson::Int32(1))).collect::<Document>() }
}
