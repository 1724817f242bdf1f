//! What happened to orders, as it is told to others.

use jiff::Timestamp;
use messaging::{Event, Payload};
use primitives::PaymentId;
use proto::events::v1::order_event::Change;
use proto::events::v1::{OrderCancelled, OrderEvent, OrderExpired, OrderPaid, OrderPlaced, OrderedLine, RiskReview};
use proto::{from_money, from_timestamp};

use crate::domain::{Line, Order, ReviewRequest};

/// A new order, and whether the risk service is to look at it.
pub(crate) fn placed(order: &Order, review: Option<&ReviewRequest>) -> Event {
    let lines = order.lines.iter().map(line).collect();
    let risk_review = review.map(|review| RiskReview {
        attempt: review.attempt.to_vec(),
        client_address: review.from.map(|from| from.to_string()).unwrap_or_default(),
    });
    let placed = OrderPlaced { lines, expires_at: Some(from_timestamp(order.expires_at)), risk_review };
    of(order, order.created_at, Change::Placed(placed))
}

/// An order was paid.
pub(crate) fn paid(order: &Order, at: Timestamp, payment: PaymentId) -> Event {
    of(order, at, Change::Paid(OrderPaid { payment_id: payment.to_string() }))
}

/// An order was cancelled: because the risk service has refused it, or because somebody asked for it.
pub(crate) fn cancelled(order: &Order, at: Timestamp, risk_rejected: bool) -> Event {
    of(order, at, Change::Cancelled(OrderCancelled { was_paid: order.paid_at.is_some(), risk_rejected }))
}

/// An order has expired.
pub(crate) fn expired(order: &Order, at: Timestamp) -> Event {
    of(order, at, Change::Expired(OrderExpired {}))
}

fn of(order: &Order, at: Timestamp, change: Change) -> Event {
    let event = OrderEvent {
        order_id: order.id.to_string(),
        user_id: order.user_id.to_string(),
        version: order.version,
        occurred_at: Some(from_timestamp(at)),
        total: Some(from_money(order.total)),
        change: Some(change),
    };
    Event::new(&Payload::Order(event), at)
}

fn line(line: &Line) -> OrderedLine {
    OrderedLine {
        sku: line.sku.to_string(),
        quantity: line.quantity.get(),
        unit_price: Some(from_money(line.unit_price)),
        line_total: Some(from_money(line.line_total)),
    }
}
