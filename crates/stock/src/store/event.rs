//! The event of a movement.

use messaging::{Event, Payload};
use proto::events::v1::StockEvent;

use crate::rules::Movement;

pub(super) fn moved(movement: &Movement) -> Event {
    let event = StockEvent {
        movement_id: movement.id.to_string(),
        sku: movement.sku.to_string(),
        delta: movement.delta.get(),
        reason: movement.reason.to_string(),
        order_id: movement.order_id.map(|id| id.to_string()),
        occurred_at: Some(proto::from_timestamp(movement.created_at)),
    };
    Event::new(&Payload::Stock(event), movement.created_at)
}
