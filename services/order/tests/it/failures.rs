//! MongoDB fails at each step of a batch's transaction, in each way that passes: every order is placed once, and every
//! cancelled one gives its stock back once.

use futures::future::join_all;
use mongodb::bson::{Document, doc};
use primitives::OrderId;

use crate::fail_point::{FailPoint, no_such_transaction, on, on_commit, times, unconfirmed, unheard, with};
use crate::world::{Told, World};

const BUYERS: u64 = 24;
/// A test has at most six kinds of failure.
const STOCK: u32 = 500;

/// How a step fails: the failure's name, and itself.
type Failure = (&'static str, Document);

/// In the middle of a transaction.
fn failures(step: &Document) -> [Failure; 4] {
    let failures = [
        ("write-conflict", doc! { "errorCode": 112, "errorLabels": ["TransientTransactionError"] }),
        ("primary-stepped-down", doc! { "errorCode": 189 }),
        ("interrupted-by-a-step-down", doc! { "errorCode": 11602 }),
        ("connection-lost", doc! { "closeConnection": true }),
    ];
    failures.map(|(name, failure)| (name, with(step.clone(), failure)))
}

async fn world(test: &str) -> World {
    World::start_with(test, 1, &[("hot", STOCK)], |config| {
        // Nothing else is to be hit.
        config.orders.expiry_period_ms = 3_600_000;
    })
    .await
}

/// Everybody orders one piece, again with the same key until it is answered.
async fn burst(world: &World, name: &str) -> Vec<(String, Told)> {
    let buyer = world.buyer(0);
    let orders = (0..BUYERS).map(|number| {
        let (buyer, key) = (buyer.clone(), format!("{name}-{number}"));
        async move {
            let told = buyer.place_surely(&key, &[("hot", 1)]).await;
            (key, told)
        }
    });
    join_all(orders).await
}

async fn survives(world: &World, failures: impl IntoIterator<Item = Failure>) {
    survives_beside(world, failures, None).await;
}

/// With an order among the others that was placed before: its batch finds its key taken, and looks before it writes.
async fn survives_carefully(world: &World, failures: impl IntoIterator<Item = Failure>) {
    let first = world.buyer(0).place_surely("again", &[("hot", 1)]).await;
    survives_beside(world, failures, Some(&first)).await;
}

async fn survives_beside(world: &World, failures: impl IntoIterator<Item = Failure>, again: Option<&Told>) {
    let replay = async || {
        let Some(first) = again else { return };
        let told = world.buyer(0).place_surely("again", &[("hot", 1)]).await;
        assert_eq!((told.id, told.replay_of), (first.id, Some(first.request_id.clone())));
    };
    let mut left = world.available("hot").await;
    for (name, failure) in failures {
        let point = FailPoint::set(world, times(2), failure).await;
        let (told, ()) = futures::join!(burst(world, name), replay());
        assert!(point.off().await >= 2, "{name}");
        world.assert_placed_once(told.iter().map(|(key, told)| (key.as_str(), told))).await;
        left -= BUYERS;
        assert_eq!(world.available("hot").await, left, "{name}");
        assert_eq!(world.count("orders", doc! {}).await, u64::from(STOCK) - left, "{name}");
    }
}

#[tokio::test]
async fn when_the_counters_are_changed() {
    let world = world("fail_counters").await;
    survives(&world, failures(&on(&world, "update", "stock_levels"))).await;
    world.finish().await;
}

#[tokio::test]
async fn when_the_movements_are_written() {
    let world = world("fail_movements").await;
    survives(&world, failures(&on(&world, "insert", "stock_movements"))).await;
    world.finish().await;
}

#[tokio::test]
async fn when_the_orders_are_written() {
    let world = world("fail_orders").await;
    survives(&world, failures(&on(&world, "insert", "orders"))).await;
    world.finish().await;
}

#[tokio::test]
async fn when_a_careful_batch_reads_keys() {
    let world = world("fail_keys").await;
    survives_carefully(&world, failures(&on(&world, "find", "orders"))).await;
    world.finish().await;
}

#[tokio::test]
async fn when_a_careful_batch_reads_counters() {
    let world = world("fail_levels").await;
    survives_carefully(&world, failures(&on(&world, "find", "stock_levels"))).await;
    world.finish().await;
}

#[tokio::test]
async fn when_the_commit_fails() {
    let world = world("fail_commit").await;
    let conflict = doc! { "errorCode": 112, "errorLabels": ["TransientTransactionError"] };
    let failures = [
        ("write-conflict", with(on_commit(), conflict)),
        ("no-such-transaction", no_such_transaction()),
        ("primary-stepped-down", with(on_commit(), doc! { "errorCode": 189 })),
        ("interrupted-by-a-step-down", with(on_commit(), doc! { "errorCode": 11602 })),
    ];
    survives(&world, failures).await;
    world.finish().await;
}

#[tokio::test]
async fn when_the_answer_to_the_commit_is_lost() {
    let world = world("fail_answer").await;
    let shutdown = doc! { "writeConcernError": { "code": 91, "errmsg": "a test" } };
    let failures = [
        ("connection-lost", unheard()),
        ("not-confirmed-in-time", unconfirmed()),
        ("shut-down-before-it-was-confirmed", with(on_commit(), shutdown)),
    ];
    survives(&world, failures).await;
    world.finish().await;
}

#[tokio::test]
async fn when_cancelled_orders_are_read_or_written() {
    let world = world("fail_cancel").await;
    for (command, collection) in [("find", "orders"), ("update", "orders"), ("update", "idempotency_keys")] {
        let [conflict, .., lost] = failures(&on(&world, command, collection));
        for (name, failure) in [conflict, lost] {
            cancellations_survive(&world, &format!("{command}-{collection}-{name}"), failure).await;
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn when_the_commit_of_cancellations_fails() {
    let world = world("fail_cancel_commit").await;
    for (name, failure) in [("lost", unheard()), ("not-confirmed", unconfirmed()), ("no-such", no_such_transaction())] {
        cancellations_survive(&world, name, failure).await;
    }
    world.finish().await;
}

/// Orders are cancelled while others are placed, and come back once.
async fn cancellations_survive(world: &World, name: &str, failure: Document) {
    let before = world.available("hot").await;
    let placed = burst(world, name).await;
    let (cancelled, kept) = placed.split_at(placed.len() / 2);
    let point = FailPoint::set(world, times(2), failure).await;
    let buyer = world.buyer(0);
    let cancelling = cancelled.iter().map(|(key, told)| {
        let (buyer, key) = (buyer.clone(), format!("cancel-{key}"));
        async move { buyer.cancel_surely(&key, told.id).await }
    });
    let more = (0..4).map(|number| {
        let (buyer, key) = (buyer.clone(), format!("{name}-more-{number}"));
        async move { buyer.place_surely(&key, &[("hot", 1)]).await }
    });
    let (ended, more) = futures::join!(join_all(cancelling), join_all(more));
    assert!(point.off().await >= 2, "{name}");
    let ids: Vec<OrderId> = ended.iter().map(|told| told.id).collect();
    let expected: Vec<_> = cancelled.iter().map(|(_, told)| told.id).collect();
    assert_eq!(ids, expected, "{name}");
    let sold = u64::try_from(kept.len() + more.len()).unwrap();
    assert_eq!(world.available("hot").await, before - sold, "{name}");
}
