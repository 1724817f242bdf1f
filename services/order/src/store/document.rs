//! Orders and payments as they are stored.

use idempotency::ScopedKey;
use mongo::idempotency::to_binary;
use mongo::{ConvertError, from_bson_time, from_bson_uuid, to_bson_time, to_bson_uuid, to_u64};
use mongodb::bson::{Binary, DateTime, Uuid};
use mongodb::error::Error as DriverError;
use primitives::{Currency, Money, MovementId, Quantity};
use serde::{Deserialize, Serialize};

use crate::domain::{
    KeyedRequest, MethodName, Order, OrderLine, Payment, PaymentClaim, PaymentStatus, Placed, Risk, RiskSource, Status,
    Verdict, first_review_at,
};

/// An order and the request that placed it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderDocument {
    #[serde(rename = "_id")]
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    status: String,
    lines: Vec<LineDocument>,
    total: i64,
    currency: String,
    risk: RiskDocument,
    version: i64,
    created_at: DateTime,
    expires_at: DateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paid_at: Option<DateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancelled_at: Option<DateTime>,
    /// With the user: unique for good, so that a key never places two orders.
    pub(super) idempotency_key: String,
    pub(super) fingerprint: Binary,
    pub(super) request_id: String,
    /// The claim of an attempt to pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payment: Option<AttemptDocument>,
    /// A captured payment has to be given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refund_due: Option<bool>,
    /// When the follow-up takes up the attempt or the refund.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    follow_up_at: Option<DateTime>,
    /// When the risk service is asked for its verdict; gone once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    review_at: Option<DateTime>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LineDocument {
    sku: String,
    quantity: i32,
    unit_price: i64,
    line_total: i64,
    /// The stock movement that took its pieces; orders of a batch share it.
    taken_by: Uuid,
    /// The stock movement that returned them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    returned_by: Option<Uuid>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RiskDocument {
    decision: String,
    source: String,
    /// The later verdict of the risk service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    review: Option<String>,
}

/// The request that is paying the order: with it, any replica can finish the attempt and answer a retry.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttemptDocument {
    pub(super) id: Uuid,
    key: String,
    fingerprint: Binary,
    pub(super) request_id: String,
}

/// The answer of a payment, kept in its idempotency record.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentDocument {
    id: Uuid,
    order_id: Uuid,
    method: String,
    amount: i64,
    currency: String,
    created_at: DateTime,
}

pub(super) const ACCEPTED: &str = "accept";

/// The stored name of a review's verdict.
pub(super) fn review_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => ACCEPTED,
        Verdict::Reject => "reject",
    }
}

fn method_name(method: MethodName) -> &'static str {
    match method {
        MethodName::Balance => "balance",
        MethodName::Card => "card",
    }
}

/// A document that is not one that we write, as a failure of the transaction that has read it.
pub(super) fn unreadable(error: ConvertError) -> DriverError {
    DriverError::custom(error.to_string())
}

impl From<&PaymentClaim> for AttemptDocument {
    fn from(claim: &PaymentClaim) -> Self {
        let KeyedRequest { key, request_id } = &claim.request;
        Self {
            id: to_bson_uuid(claim.id.as_uuid()),
            key: key.id().to_owned(),
            fingerprint: to_binary(key.fingerprint()),
            request_id: request_id.clone(),
        }
    }
}

impl TryFrom<AttemptDocument> for PaymentClaim {
    type Error = ConvertError;

    fn try_from(document: AttemptDocument) -> Result<Self, ConvertError> {
        let key = ScopedKey::from_stored(document.key, &document.fingerprint.bytes);
        let key = key.ok_or(ConvertError { what: "payment attempt" })?;
        let request = KeyedRequest { key, request_id: document.request_id };
        Ok(Self { id: from_bson_uuid(document.id).into(), request })
    }
}

impl From<&Placed<'_>> for OrderDocument {
    fn from(placed: &Placed<'_>) -> Self {
        let (order, placed_by) = (&placed.order, &placed.placement.placed_by);
        let line = |(line, movement): (&OrderLine, &MovementId)| LineDocument::new(line, *movement);
        Self {
            id: to_bson_uuid(order.id.as_uuid()),
            user_id: to_bson_uuid(order.user_id.as_uuid()),
            status: order.status.name().to_owned(),
            lines: order.lines.iter().zip(&placed.taken_by).map(line).collect(),
            total: order.total.amount(),
            currency: order.total.currency().code().to_owned(),
            risk: RiskDocument {
                decision: ACCEPTED.to_owned(),
                source: order.risk.source.name().to_owned(),
                review: None,
            },
            version: i64::try_from(order.version).unwrap_or(i64::MAX),
            created_at: to_bson_time(order.created_at),
            expires_at: to_bson_time(order.expires_at),
            paid_at: None,
            cancelled_at: None,
            idempotency_key: placed_by.key.as_str().to_owned(),
            fingerprint: to_binary(&placed_by.fingerprint),
            request_id: placed_by.request_id.clone(),
            payment: None,
            refund_due: None,
            follow_up_at: None,
            review_at: first_review_at(order.risk, order.created_at).map(to_bson_time),
        }
    }
}

impl OrderDocument {
    /// The order as an answer that is kept: in its new state, without work in progress.
    pub(super) fn into_answer(self, order: &Order) -> Self {
        Self {
            status: order.status.name().to_owned(),
            version: i64::try_from(order.version).unwrap_or(i64::MAX),
            paid_at: order.paid_at.map(to_bson_time),
            cancelled_at: order.cancelled_at.map(to_bson_time),
            payment: None,
            refund_due: None,
            follow_up_at: None,
            review_at: None,
            ..self
        }
    }
}

impl LineDocument {
    fn new(line: &OrderLine, taken_by: MovementId) -> Self {
        Self {
            sku: line.sku.as_str().to_owned(),
            // At most 100,000.
            quantity: i32::try_from(line.quantity.get()).unwrap_or(i32::MAX),
            unit_price: line.unit_price.amount(),
            line_total: line.line_total.amount(),
            taken_by: to_bson_uuid(taken_by.as_uuid()),
            returned_by: None,
        }
    }
}

impl TryFrom<OrderDocument> for Order {
    type Error = ConvertError;

    fn try_from(document: OrderDocument) -> Result<Self, ConvertError> {
        let invalid = || ConvertError { what: "order" };
        let currency: Currency = document.currency.parse().map_err(|_| invalid())?;
        let time = |time: Option<DateTime>| time.map(from_bson_time).transpose();
        Ok(Self {
            id: from_bson_uuid(document.id).into(),
            user_id: from_bson_uuid(document.user_id).into(),
            status: Status::from_name(&document.status).ok_or_else(invalid)?,
            lines: document.lines.into_iter().map(|line| line.into_line(currency)).collect::<Result<_, _>>()?,
            total: Money::new(document.total, currency),
            risk: Risk { source: RiskSource::from_name(&document.risk.source).ok_or_else(invalid)? },
            version: to_u64("version", document.version)?,
            created_at: from_bson_time(document.created_at)?,
            expires_at: from_bson_time(document.expires_at)?,
            paid_at: time(document.paid_at)?,
            cancelled_at: time(document.cancelled_at)?,
        })
    }
}

impl LineDocument {
    fn into_line(self, currency: Currency) -> Result<OrderLine, ConvertError> {
        let invalid = || ConvertError { what: "order line" };
        let quantity = u32::try_from(self.quantity).map_err(|_| invalid())?;
        Ok(OrderLine {
            sku: self.sku.parse().map_err(|_| invalid())?,
            quantity: Quantity::try_from(quantity).map_err(|_| invalid())?,
            unit_price: Money::new(self.unit_price, currency),
            line_total: Money::new(self.line_total, currency),
        })
    }
}

impl From<&Payment> for PaymentDocument {
    fn from(payment: &Payment) -> Self {
        Self {
            id: to_bson_uuid(payment.id.as_uuid()),
            order_id: to_bson_uuid(payment.order_id.as_uuid()),
            method: method_name(payment.method).to_owned(),
            amount: payment.amount.amount(),
            currency: payment.amount.currency().code().to_owned(),
            created_at: to_bson_time(payment.created_at),
        }
    }
}

impl TryFrom<PaymentDocument> for Payment {
    type Error = ConvertError;

    fn try_from(document: PaymentDocument) -> Result<Self, ConvertError> {
        let invalid = || ConvertError { what: "payment" };
        let currency = document.currency.parse().map_err(|_| invalid())?;
        Ok(Self {
            id: from_bson_uuid(document.id).into(),
            order_id: from_bson_uuid(document.order_id).into(),
            method: match document.method.as_str() {
                "balance" => MethodName::Balance,
                "card" => MethodName::Card,
                _ => return Err(invalid()),
            },
            // Only a captured payment is an answer that is kept.
            status: PaymentStatus::Captured,
            amount: Money::new(document.amount, currency),
            created_at: from_bson_time(document.created_at)?,
        })
    }
}
