//! The events of an order that has a transaction of its own, as an entry of the outbox.

use mongodb::bson::{Binary, DateTime, Document, Uuid, doc, spec::BinarySubtype};
use prost::Message;
use proto::common::v1::Money;
use proto::events::v1::order_event::Change;
use proto::events::v1::{OrderEvent, OrderPlaced, StockEvent};

/// The order service's first shard.
const SHARD: i32 = 0;

/// One entry for the order and its movements.
pub(super) fn entry(user: Uuid, order: Uuid, cents: i64, at: DateTime, movements: &[Document]) -> Document {
    let occurred_at =
        jiff::Timestamp::from_millisecond(at.timestamp_millis()).ok().map(proto::from_timestamp);
    let placed = OrderEvent {
        order_id: order.to_string(),
        user_id: user.to_string(),
        version: 1,
        occurred_at,
        total: Some(Money { amount: cents, currency: "USD".to_owned() }),
        change: Some(Change::Placed(OrderPlaced { lines: Vec::new(), expires_at: occurred_at })),
    };
    let mut events = vec![event("OrderEvent", &order.to_string(), &placed)];
    events.extend(movements.iter().map(|movement| {
        let sku = movement.get_str("sku").unwrap_or_default();
        let moved = StockEvent {
            movement_id: movement.get("_id").map(ToString::to_string).unwrap_or_default(),
            sku: sku.to_owned(),
            delta: movement.get_i64("delta").unwrap_or_default(),
            reason: "order_placed".to_owned(),
            order_id: Some(order.to_string()),
            occurred_at,
        };
        event("StockEvent", sku, &moved)
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
