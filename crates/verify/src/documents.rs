//! The fields of the stored documents that the checks read. Declared here a second time rather than taken from the
//! services, so that a fault in how a service reads them can't hide itself.

use mongodb::bson::{Bson, DateTime, Document, Uuid, doc};
use serde::{Deserialize, Deserializer};

/// A document in a stream that is sorted by a key.
pub(crate) trait Stored: serde::de::DeserializeOwned {
    const COLLECTION: &'static str;
    /// The sort key of the stream.
    type Key: Ord + Clone;

    fn key(&self) -> Self::Key;
}

/// All collections that are checked.
pub(crate) const COLLECTIONS: [&str; 6] =
    ["stock_levels", "stock_movements", "orders", "accounts", "account_entries", "payments"];

/// The reasons of movements for an order.
pub(crate) const PLACED: &str = "order_placed";
pub(crate) const CANCELLED: &str = "order_cancelled";
pub(crate) const EXPIRED: &str = "order_expired";
pub(crate) const INITIAL: &str = "initial";
pub(crate) const ADJUSTMENT: &str = "adjustment: ";

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Level {
    #[serde(rename = "_id")]
    pub(crate) sku: String,
    #[serde(deserialize_with = "integer")]
    pub(crate) available: i64,
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
pub(crate) struct MovementSums {
    #[serde(rename = "_id")]
    pub(crate) sku: String,
    #[serde(deserialize_with = "integer")]
    pub(crate) count: i64,
    #[serde(deserialize_with = "integer")]
    pub(crate) sum: i64,
    /// Initial stock and adjustments alone.
    #[serde(deserialize_with = "integer")]
    pub(crate) base: i64,
    /// How many have a reason that is not one of the ledger's.
    #[serde(deserialize_with = "integer")]
    pub(crate) unknown: i64,
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
pub(crate) struct LivePieces {
    #[serde(rename = "_id")]
    pub(crate) sku: String,
    #[serde(deserialize_with = "integer")]
    pub(crate) pieces: i64,
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
pub(crate) struct Movement {
    #[serde(rename = "_id")]
    pub(crate) id: Uuid,
    /// Set when it is for this order alone.
    pub(crate) order_id: Option<Uuid>,
    pub(crate) sku: String,
    #[serde(deserialize_with = "integer")]
    pub(crate) delta: i64,
    pub(crate) reason: String,
}

impl Stored for Movement {
    const COLLECTION: &'static str = "stock_movements";
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.id
    }
}

/// The order lines that name a movement, added up by the server. A value that should be the same in all of them is kept
/// as its minimum and maximum.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LineSums {
    #[serde(rename = "_id")]
    pub(crate) movement: Uuid,
    #[serde(deserialize_with = "integer")]
    pub(crate) count: i64,
    #[serde(deserialize_with = "integer")]
    pub(crate) pieces: i64,
    pub(crate) first_sku: String,
    pub(crate) last_sku: String,
    pub(crate) first_order: Uuid,
    pub(crate) last_order: Uuid,
    /// The statuses of the orders.
    pub(crate) first_status: String,
    pub(crate) last_status: String,
}

impl Stored for LineSums {
    const COLLECTION: &'static str = "orders";
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.movement
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderStatus {
    PendingPayment,
    Paid,
    Cancelled,
    Expired,
}

impl OrderStatus {
    pub(crate) fn name(self) -> &'static str {
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
pub(crate) struct Order {
    #[serde(rename = "_id")]
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) status: OrderStatus,
    pub(crate) lines: Vec<OrderLine>,
    #[serde(deserialize_with = "integer")]
    pub(crate) total: i64,
    pub(crate) currency: String,
    pub(crate) paid_at: Option<DateTime>,
    /// The payment attempt that has claimed the order.
    pub(crate) payment: Option<Document>,
    /// Set when a captured payment has to be refunded.
    pub(crate) refund_due: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderLine {
    pub(crate) sku: String,
    #[serde(deserialize_with = "integer")]
    pub(crate) quantity: i64,
    #[serde(deserialize_with = "integer")]
    pub(crate) unit_price: i64,
    #[serde(deserialize_with = "integer")]
    pub(crate) line_total: i64,
    /// The movement that took its stock.
    pub(crate) taken_by: Option<Uuid>,
    /// The movement that returned it.
    pub(crate) returned_by: Option<Uuid>,
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
pub(crate) enum PaymentStatus {
    Pending,
    Captured,
    Declined,
    Refunding,
    Refunded,
}

impl PaymentStatus {
    pub(crate) fn name(self) -> &'static str {
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
pub(crate) enum Method {
    Balance,
    Card,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payment {
    #[serde(rename = "_id")]
    pub(crate) id: Uuid,
    pub(crate) order_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) method: Method,
    pub(crate) status: PaymentStatus,
    #[serde(deserialize_with = "integer")]
    pub(crate) amount: i64,
    pub(crate) currency: String,
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
pub(crate) struct Account {
    #[serde(rename = "_id")]
    pub(crate) id: Uuid,
    #[serde(deserialize_with = "integer")]
    pub(crate) balance: i64,
    /// How many entries it has.
    #[serde(deserialize_with = "integer")]
    pub(crate) version: i64,
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
pub(crate) struct Entry {
    #[serde(rename = "_id")]
    pub(crate) id: Uuid,
    pub(crate) account_id: Uuid,
    #[serde(deserialize_with = "integer")]
    pub(crate) sequence: i64,
    #[serde(deserialize_with = "integer")]
    pub(crate) delta: i64,
    #[serde(deserialize_with = "integer")]
    pub(crate) balance_after: i64,
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
pub(crate) struct OrderEntry {
    #[serde(rename = "_id")]
    pub(crate) id: Uuid,
    pub(crate) order_id: Option<Uuid>,
    pub(crate) payment_id: Option<Uuid>,
    pub(crate) account_id: Uuid,
    #[serde(deserialize_with = "integer")]
    pub(crate) delta: i64,
    pub(crate) kind: String,
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
pub(crate) struct SharedKey {
    #[serde(rename = "_id")]
    pub(crate) scope: KeyScope,
    #[serde(deserialize_with = "integer")]
    pub(crate) orders: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyScope {
    pub(crate) user_id: Option<Uuid>,
    pub(crate) idempotency_key: Option<String>,
}

impl Stored for SharedKey {
    const COLLECTION: &'static str = "orders";
    type Key = KeyScope;

    fn key(&self) -> KeyScope {
        self.scope.clone()
    }
}

/// The server gives a sum in the smallest number type that holds it. A sum that needs a double is larger than anything
/// that is counted here.
fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    match Bson::deserialize(deserializer)? {
        Bson::Int32(value) => Ok(i64::from(value)),
        Bson::Int64(value) => Ok(value),
        other => Err(serde::de::Error::custom(format!("{:?} where an integer should be", other.element_type()))),
    }
}

/// Projects the fields that a stream needs, so that no others are sorted and sent.
pub(crate) fn fields(names: &[&str]) -> Document {
    doc! { "$project": names.iter().map(|name| ((*name).to_owned(), Bson::Int32(1))).collect::<Document>() }
}
