//! The events of an order with a transaction of its own, as an outbox entry. They are slightly smaller than the order
//! service's, as they have no lines.

use mongodb::bson::{Binary, DateTime, Document, Uuid, doc, spec::BinarySubtype};
use prost::Message;
use proto::common::v1::Money;
use proto::events::v1::order_event::Change;
use proto::events::v1::{OrderEvent, OrderPlaced, StockEvent};

/// The order service's first shard.
const SHARD: i32 = 0;

/// A stock movement of the order.
pub(super) struct Moved<'a> {
    pub(super) id: Uuid,
    pub(super) sku: &'a str,
    pub(super) delta: i64,
}

/// One entry for the order and its movements.
pub(super) fn entry(user: Uuid, order: Uuid, cents: i64, at: DateTime, movements: &[Moved<'_>]) -> Document {
    let occurred_at = jiff::Timestamp::from_millisecond(at.timestamp_millis()).ok().map(proto::from_timestamp);
    let placed = OrderEvent {
        order_id: order.to_string(),
        user_id: user.to_string(),
        version: 1,
        occurred_at,
        total: Some(Money { amount: cents, currency: "USD".to_owned() }),
        change: Some(Change::Placed(OrderPlaced { expires_at: occurred_at, ..OrderPlaced::default() })),
    };
    let mut events = vec![event("OrderEvent", &order.to_string(), &placed)];
    events.extend(movements.iter().map(|movement| {
        let moved = StockEvent {
            movement_id: movement.id.to_string(),
            sku: movement.sku.to_owned(),
            delta: movement.delta,
            reason: "order_placed".to_owned(),
            order_id: Some(order.to_string()),
            occurred_at,
        };
        event("StockEvent", movement.sku, &moved)
    }));
    let id = Uuid::from_bytes(uuid::Uuid::now_v7().into_bytes());
    doc! { "_id": id, "source": "order", "shard": SHARD, "at": at, "unsent": true, "events": events }
}

fn event(message: &str, key: &str, payload: &impl Message) -> Document {
    doc! {
        "id": Uuid::from_bytes(uuid::Uuid::now_v7().into_bytes()),
        "kind": format!("fournines.events.v1.{message}"),
        "key": key,
        "payload": Binary { subtype: BinarySubtype::Generic, bytes: payload.encode_to_vec() },
    }
}
