//! New orders are judged by the risk service or, while it can't be asked, by the rules at hand; what those accepted is
//! cancelled when the service refuses it later.

use std::time::Duration;

use envelope::Reason;
use futures::future::join_all;
use messaging::Payload;
use mongodb::bson::{Document, doc};
use primitives::OrderId;
use proto::events::v1::OrderEvent;
use proto::events::v1::order_event::Change;
use proto::order::v1::{OrderStatus, RiskSource};
use proto::risk::v1::Decision;

use crate::world::{BUDGET, Told, World, reason};

/// The price of a piece is 250.
const HOT: [(&str, u32); 1] = [("hot", 2)];

async fn world(test: &str, replicas: usize) -> World {
    World::start(test, replicas, &[("hot", 1_000)]).await
}

/// An order that was placed while the service could not be asked.
async fn unjudged(world: &World, key: &str) -> Told {
    world.risk.set_down(true);
    let told = world.buyer(0).place(key, &HOT).await.unwrap();
    assert_eq!(told.source, RiskSource::LocalRules);
    world.risk.set_down(false);
    told
}

async fn stored(world: &World, id: OrderId) -> Document {
    world.all("orders", doc! { "_id": mongo::to_bson_uuid(id.as_uuid()) }).await.remove(0)
}

async fn until_reviewed(world: &World, id: OrderId, found: &str) -> Document {
    let reviewed = async || {
        let order = stored(world, id).await;
        order.get_document("risk").unwrap().get_str("review").ok() == Some(found) && !order.contains_key("reviewAt")
    };
    world.until("the order is reviewed", reviewed).await;
    stored(world, id).await
}

/// What was told of an order, oldest first.
async fn events(world: &World, id: OrderId) -> Vec<OrderEvent> {
    let entries = world.all("outbox", doc! { "source": "order" }).await;
    let events = entries.iter().flat_map(|entry| entry.get_array("events").unwrap());
    let events = events.map(|event| event.as_document().unwrap());
    let payloads = events.map(|event| {
        Payload::decode(event.get_str("kind").unwrap(), event.get_binary_generic("payload").unwrap()).unwrap()
    });
    let mut of_order: Vec<_> = payloads
        .filter_map(|payload| match payload {
            Payload::Order(event) if event.order_id == id.to_string() => Some(event),
            _ => None,
        })
        .collect();
    of_order.sort_by_key(|event| event.version);
    of_order
}

#[tokio::test]
async fn the_service_decides_and_a_key_that_has_placed_an_order_keeps_it() {
    let world = world("service", 1).await;
    let buyer = world.buyer(0);
    let placed = buyer.place("first", &HOT).await.unwrap();
    assert_eq!(placed.source, RiskSource::Service);
    world.risk.state().rejects = true;
    assert_eq!(reason(buyer.place("second", &HOT).await), Reason::RiskRejected);
    let again = buyer.place("first", &HOT).await.unwrap();
    assert_eq!((again.id, again.replay_of), (placed.id, Some(placed.request_id)));
    assert_eq!(world.count("orders", doc! {}).await, 1);
    let (asked, attempts) = {
        let state = world.risk.state();
        let attempts: Vec<_> = state.asked.iter().map(|asked| asked.attempt.clone()).collect();
        (state.asked[0].clone(), attempts)
    };
    assert_eq!((asked.order_id, asked.total.unwrap().amount), (placed.id.to_string(), 500));
    // An attempt is one however often it is sent, and no other is the same.
    assert_eq!(attempts[0], attempts[2]);
    assert_ne!(attempts[0], attempts[1]);
    // Nobody has to look again.
    assert!(!stored(&world, placed.id).await.contains_key("reviewAt"));
    let Some(Change::Placed(event)) = events(&world, placed.id).await.remove(0).change else { panic!() };
    assert_eq!(event.risk_review, None);
    world.finish().await;
}

#[tokio::test]
async fn a_slow_service_is_waited_for_at_first_and_then_not_asked() {
    let world = world("slow", 1).await;
    // Who waits for it is not answered in time.
    world.risk.state().pause = 3 * BUDGET;
    let place = async |name: &str| {
        let orders = (0..20).map(|number| {
            let buyer = world.buyer(0);
            let key = format!("{name}-{number}");
            async move { buyer.place(&key, &HOT).await.unwrap() }
        });
        join_all(orders).await
    };
    let first = place("first").await;
    assert!(first.iter().all(|told| told.source == RiskSource::LocalRules));
    let asked = world.risk.state().asked.len();
    // The breaker is open, so these are answered without it.
    let second = place("second").await;
    assert!(second.iter().all(|told| told.source == RiskSource::LocalRules));
    assert_eq!(world.risk.state().asked.len(), asked);
    world.risk.state().pause = Duration::ZERO;
    world
        .until("it is asked again", async || {
            let key = OrderId::new().to_string();
            world.buyer(0).place(&key, &HOT).await.unwrap().source == RiskSource::Service
        })
        .await;
    world.finish().await;
}

#[tokio::test]
async fn the_last_rules_that_were_read_decide_while_the_service_is_gone() {
    let world = world("gone", 1).await;
    world.risk.state().rejects_above = Some(600);
    world.until("the rules are at hand", async || world.risk.state().known_rules == 2).await;
    world.risk.set_down(true);
    assert_eq!(reason(world.buyer(0).place("big", &[("hot", 3)]).await), Reason::RiskRejected);
    assert_eq!(world.buyer(0).place("small", &HOT).await.unwrap().source, RiskSource::LocalRules);
    world.finish().await;
}

#[tokio::test]
async fn an_order_that_nobody_judged_asks_for_it_and_stays_when_it_is_accepted() {
    let world = world("accepted_late", 1).await;
    let placed = unjudged(&world, "order").await;
    let Some(Change::Placed(event)) = events(&world, placed.id).await.remove(0).change else { panic!() };
    let asked = world.risk.state().asked[0].clone();
    assert_eq!(event.risk_review.unwrap().attempt, asked.attempt);
    assert_eq!(asked.order_id, placed.id.to_string());
    // It has not looked yet: asked again later.
    let first_due = stored(&world, placed.id).await.get_datetime("reviewAt").unwrap().timestamp_millis();
    world
        .until("it was asked in vain", async || {
            let order = stored(&world, placed.id).await;
            order.get_datetime("reviewAt").unwrap().timestamp_millis() > first_due
        })
        .await;
    world.risk.find(placed.id, Decision::Accept);
    let order = until_reviewed(&world, placed.id, "accept").await;
    assert_eq!(order.get_str("status").unwrap(), "pending_payment");
    assert_eq!(order.get_i64("version").unwrap(), 1);
    world.finish().await;
}

#[tokio::test]
async fn an_unpaid_order_that_is_refused_late_is_cancelled_once() {
    let world = world("unpaid", 2).await;
    let placed = unjudged(&world, "order").await;
    assert_eq!(world.available("hot").await, 998);
    world.risk.find(placed.id, Decision::Reject);
    let order = until_reviewed(&world, placed.id, "reject").await;
    assert_eq!((order.get_str("status").unwrap(), order.get_i64("version").unwrap()), ("cancelled", 2));
    assert_eq!(world.available("hot").await, 1_000);
    let Some(Change::Cancelled(event)) = events(&world, placed.id).await.remove(1).change else { panic!() };
    assert_eq!((event.was_paid, event.risk_rejected), (false, true));
    assert!(world.payment.state().refunded.is_empty());
    assert_eq!(reason(world.buyer(1).pay("pay", placed.id).await), Reason::InvalidState);
    world.finish().await;
}

#[tokio::test]
async fn a_paid_order_that_is_refused_late_is_cancelled_and_refunded_once() {
    let world = world("paid", 2).await;
    let placed = unjudged(&world, "order").await;
    world.buyer(1).pay("pay", placed.id).await.unwrap();
    world.risk.find(placed.id, Decision::Reject);
    let order = until_reviewed(&world, placed.id, "reject").await;
    assert_eq!((order.get_str("status").unwrap(), order.get_i64("version").unwrap()), ("cancelled", 3));
    world
        .until("the refund is no longer due", async || !stored(&world, placed.id).await.contains_key("refundDue"))
        .await;
    assert_eq!(world.payment.state().refunded, [placed.id]);
    assert_eq!(world.available("hot").await, 1_000);
    let Some(Change::Cancelled(event)) = events(&world, placed.id).await.remove(2).change else { panic!() };
    assert_eq!((event.was_paid, event.risk_rejected), (true, true));
    // The customer sees it cancelled; a cancellation of their own comes too late.
    assert_eq!(reason(world.buyer(0).cancel("cancel", placed.id).await), Reason::InvalidState);
    world.finish().await;
}

#[tokio::test]
async fn an_order_that_is_being_paid_is_cancelled_after_that() {
    let world = world("being_paid", 1).await;
    let placed = unjudged(&world, "order").await;
    let gate = world.payment.gate.clone();
    let shut = gate.acquire_many(1_000).await.unwrap();
    let buyer = world.buyer(0);
    let paying = world.begin(async move { buyer.pay("pay", placed.id).await });
    world.until("it is being paid", async || !world.payment.state().charged.is_empty()).await;
    world.risk.find(placed.id, Decision::Reject);
    let first_due = stored(&world, placed.id).await.get_datetime("reviewAt").unwrap().timestamp_millis();
    world
        .until("it could not be cancelled", async || {
            let order = stored(&world, placed.id).await;
            order.get_datetime("reviewAt").unwrap().timestamp_millis() > first_due
        })
        .await;
    assert_eq!(stored(&world, placed.id).await.get_str("status").unwrap(), "pending_payment");
    drop(shut);
    paying.await.unwrap();
    let order = until_reviewed(&world, placed.id, "reject").await;
    assert_eq!(order.get_str("status").unwrap(), "cancelled");
    world.until("it is refunded", async || world.payment.state().refunded == [placed.id]).await;
    world.finish().await;
}

#[tokio::test]
async fn an_order_that_has_ended_is_only_noted() {
    let world = world("ended", 1).await;
    let placed = unjudged(&world, "order").await;
    let cancelled = world.buyer(0).cancel("cancel", placed.id).await.unwrap();
    assert_eq!(cancelled.status, OrderStatus::Cancelled);
    world.risk.find(placed.id, Decision::Reject);
    let order = until_reviewed(&world, placed.id, "reject").await;
    assert_eq!(order.get_i64("version").unwrap(), 2);
    world.finish().await;
}
