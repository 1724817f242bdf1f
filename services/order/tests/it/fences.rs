//! A refusal is final: an earlier attempt of the request, whose outcome was open when it was refused, has no effect
//! later.

use std::sync::Arc;
use std::time::Duration;

use envelope::Reason;
use mongodb::bson::doc;

use crate::fail_point::{FailPoint, on, on_commit, times, with};
use crate::world::{World, reason};

/// How long the first batch hangs: well below the 2 s after which its transaction counts as abandoned.
const HANG: Duration = Duration::from_millis(1_500);

/// The next insert of orders hangs.
async fn hang(world: &World) -> FailPoint {
    let block = doc! { "blockConnection": true, "blockTimeMS": i64::try_from(HANG.as_millis()).unwrap() };
    FailPoint::set(world, times(1), with(on(world, "insert", "orders"), block)).await
}

#[tokio::test]
async fn an_attempt_that_waits_behind_a_slow_batch_places_nothing_once_its_request_was_refused() {
    let world = World::start("fence_waiting", 2, &[("slow", 10), ("scarce", 0)]).await;
    let (first, second) = (world.buyer(0).with_one_request(), world.buyer(1));
    // The second replica knows that the SKU is sold out.
    assert_eq!(reason(second.place("learn", &[("scarce", 1)]).await), Reason::InsufficientStock);
    let point = hang(&world).await;
    let slow = world.buyer(0);
    let slow = world.begin(async move { slow.place("slow", &[("slow", 1)]).await });
    point.hit(1).await;
    let lines = [("slow", 1), ("scarce", 1)];
    let waiting = first.clone();
    let waiting = world.line_up(0, async move { waiting.place("order", &lines).await }).await;

    let retry = second.with_request_of(&first).retrying();
    assert_eq!(reason(retry.place("order", &lines).await), Reason::InsufficientStock);
    world.adjust("scarce", 1).await;
    slow.await.unwrap();

    assert_eq!(reason(waiting.await), Reason::InvalidState);
    assert_eq!(world.count("orders", doc! { "lines.sku": "scarce" }).await, 0);
    assert_eq!(world.available("scarce").await, 1);
    // A new request with the key is another matter.
    let told = second.place("order", &lines).await.unwrap();
    assert_eq!(told.replay_of, None);
    assert_eq!(world.available("scarce").await, 0);
    // The refused one stays refused, and is told of the order that its key has placed since.
    assert_eq!(retry.place("order", &lines).await.unwrap().id, told.id);
    world.assert_placed_once([("order", &told)]).await;
    point.off().await;
    world.finish().await;
}

#[tokio::test]
async fn an_attempt_that_is_being_committed_is_waited_for_and_its_order_is_the_answer() {
    let world = World::start("fence_commit", 2, &[("a", 5)]).await;
    let first = world.buyer(0).with_one_request();
    let block = doc! { "blockConnection": true, "blockTimeMS": i64::try_from(HANG.as_millis()).unwrap() };
    let point = FailPoint::set(&world, times(1), with(on_commit(), block)).await;
    let attempt = first.clone();
    let attempt = world.begin(async move { attempt.place("order", &[("a", 1)]).await });
    point.hit(1).await;
    world.risk.state().rejects = true;
    let retry = world.buyer(1).with_request_of(&first).retrying();
    let told = retry.place("order", &[("a", 1)]).await.unwrap();
    assert_eq!(told.id, attempt.await.unwrap().id);
    world.assert_placed_once([("order", &told)]).await;
    point.off().await;
    world.finish().await;
}

#[tokio::test]
async fn an_attempt_that_has_not_inserted_its_order_can_not_once_its_request_was_refused() {
    let world = World::start("fence_open", 2, &[("a", 5)]).await;
    let first = world.buyer(0).with_one_request();
    let point = hang(&world).await;
    let attempt = first.clone();
    let attempt = world.begin(async move { attempt.place("order", &[("a", 1)]).await });
    point.hit(1).await;
    // By now the risk service rejects everything, and the first attempt has not inserted its order.
    world.risk.state().rejects = true;
    let retry = world.buyer(1).with_request_of(&first).retrying();
    assert_eq!(reason(retry.place("order", &[("a", 1)]).await), Reason::RiskRejected);
    assert_eq!(reason(attempt.await), Reason::InvalidState);
    assert_eq!(world.count("orders", doc! { "lines.sku": "a" }).await, 0);
    assert_eq!(world.available("a").await, 5);
    point.off().await;
    world.finish().await;
}

#[tokio::test]
async fn a_request_that_was_refused_is_refused_again_though_stock_has_returned() {
    let world = World::start("fence_again", 1, &[("a", 0)]).await;
    let retry = world.buyer(0).with_one_request().retrying();
    for _ in 0..2 {
        assert_eq!(reason(retry.place("order", &[("a", 1)]).await), Reason::InsufficientStock);
    }
    world.adjust("a", 1).await;
    world
        .until("the stock is known", async || reason(retry.place("order", &[("a", 1)]).await) == Reason::InvalidState)
        .await;
    assert_eq!(world.available("a").await, 1);
    world.buyer(0).place("order", &[("a", 1)]).await.unwrap();
    world.finish().await;
}

#[tokio::test]
async fn an_attempt_to_cancel_has_no_effect_once_its_request_was_refused() {
    let world = World::start("fence_cancel", 2, &[("a", 5), ("slow", 5)]).await;
    let (first, second) = (world.buyer(0).with_one_request(), world.buyer(1));
    let order = second.place("order", &[("a", 1), ("slow", 1)]).await.unwrap();
    let point = hang(&world).await;
    let slow = world.buyer(0);
    let slow = world.begin(async move { slow.place("slow", &[("slow", 1)]).await });
    point.hit(1).await;
    let waiting = first.clone();
    let waiting = world.line_up(0, async move { waiting.cancel("cancel", order.id).await }).await;

    // While somebody pays it, the order can't be cancelled.
    let shut = Arc::clone(&world.payment.gate).acquire_many_owned(1_000).await.unwrap();
    let payer = second.clone();
    let paying = world.begin(async move { payer.pay("pay", order.id).await });
    let claimed = doc! { "payment": { "$exists": true } };
    world.until("it is being paid", async || world.count("orders", claimed.clone()).await == 1).await;
    let retry = second.with_request_of(&first).retrying();
    assert_eq!(reason(retry.cancel("cancel", order.id).await), Reason::InvalidState);
    world.payment.state().refuses = true;
    drop(shut);
    paying.await.unwrap_err();
    slow.await.unwrap();

    assert_eq!(reason(waiting.await), Reason::InvalidState);
    assert_eq!(world.available("a").await, 4);
    let cancelled = second.cancel("cancel", order.id).await.unwrap();
    assert_eq!(cancelled.replay_of, None);
    assert_eq!(world.available("a").await, 5);
    point.off().await;
    world.finish().await;
}
