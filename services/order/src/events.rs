//! Renders what happened to orders as events.

use jiff::Timestamp;
use messaging::{Event, Payload};
use proto::events::v1::order_event::Change as ChangeMessage;
use proto::events::v1::{OrderCancelled, OrderEvent, OrderExpired, OrderPaid, OrderPlaced, OrderedLine, RiskReview};
use proto::{from_money, from_timestamp};

use crate::domain::{CancelledBy, Change, Decision, Order, OrderLine, Placed, Transition};

/// The events of a batch: one for each order that is placed or released.
pub(crate) fn of_batch(decision: &Decision<'_>) -> impl Iterator<Item = Event> {
    let released = decision.released.iter().map(|released| of_transition(&released.transition));
    released.chain(decision.placed.iter().map(of_placed))
}

/// The event of a transition.
pub(crate) fn of_transition(transition: &Transition) -> Event {
    let order = &transition.after;
    let change = match transition.change {
        Change::Paid(payment) => ChangeMessage::Paid(OrderPaid { payment_id: payment.to_string() }),
        Change::Cancelled(by) => ChangeMessage::Cancelled(OrderCancelled {
            was_paid: order.paid_at.is_some(),
            risk_rejected: by == CancelledBy::Risk,
        }),
        Change::Expired => ChangeMessage::Expired(OrderExpired {}),
    };
    event(order, transition.at, change)
}

fn of_placed(placed: &Placed<'_>) -> Event {
    let order = &placed.order;
    let risk_review = placed.placement.review.map(|review| RiskReview {
        attempt: review.attempt.to_vec(),
        client_address: review.from.map(|from| from.to_string()).unwrap_or_default(),
    });
    let change = ChangeMessage::Placed(OrderPlaced {
        lines: order.lines.iter().map(line).collect(),
        expires_at: Some(from_timestamp(order.expires_at)),
        risk_review,
    });
    event(order, order.created_at, change).continuing(placed.placement.traceparent.clone())
}

fn event(order: &Order, at: Timestamp, change: ChangeMessage) -> Event {
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

fn line(line: &OrderLine) -> OrderedLine {
    OrderedLine {
        sku: line.sku.to_string(),
        quantity: line.quantity.get(),
        unit_price: Some(from_money(line.unit_price)),
        line_total: Some(from_money(line.line_total)),
    }
}
