//! A key takes effect once: twins in the lanes of one replica, on two replicas at once, and later.

use std::time::Duration;

use envelope::Reason;
use futures::future::join_all;
use mongodb::bson::doc;
use proto::order::v1::OrderStatus;

use crate::fail_point::FailPoint;
use crate::world::{World, reason};

#[tokio::test]
async fn a_twin_of_what_is_in_the_lanes_is_told_to_wait() {
    let world = World::start("twin_in_lanes", 1, &[("hot", 10)]).await;
    let buyer = world.buyer(0);
    let point = FailPoint::hold(&world).await;
    let (one, two) = (buyer.clone(), buyer.clone());
    let running = world.begin(async move { one.place("running", &[("hot", 1)]).await });
    point.hit(1).await;
    let waiting = world.line_up(0, async move { two.place("waiting", &[("hot", 1)]).await }).await;
    for key in ["running", "waiting"] {
        let twin = buyer.place(key, &[("hot", 1)]).await.unwrap_err();
        assert_eq!(twin.reason(), Reason::IdempotencyInFlight, "{key}");
        assert!(twin.retry_after().is_some());
        assert_eq!(reason(buyer.place(key, &[("hot", 2)]).await), Reason::IdempotencyKeyReused, "{key}");
    }
    point.off().await;
    let told = [("running", running.await.unwrap()), ("waiting", waiting.await.unwrap())];
    for (key, told) in &told {
        let again = buyer.place(key, &[("hot", 1)]).await.unwrap();
        assert_eq!((again.id, again.replay_of.as_ref()), (told.id, Some(&told.request_id)));
        assert_eq!(reason(buyer.place(key, &[("hot", 2)]).await), Reason::IdempotencyKeyReused);
    }
    world.assert_placed_once(told.iter().map(|(key, told)| (*key, told))).await;
    assert_eq!(world.available("hot").await, 8);
    world.finish().await;
}

/// As a gateway that loses its connection, or a proxy that loses its gateway, sends a request once more.
#[tokio::test]
async fn a_request_that_is_sent_once_more_waits_for_its_first_attempt() {
    let world = World::start("once_more", 1, &[("hot", 10)]).await;
    let [running, waiting] = [(); 2].map(|()| world.buyer(0).with_one_request());
    let point = FailPoint::hold(&world).await;
    let one = running.clone();
    let first = world.begin(async move { one.place("running", &[("hot", 1)]).await });
    point.hit(1).await;
    let two = waiting.clone();
    // The first attempt of this one is cut off before its turn.
    let cut_off = two.place("waiting", &[("hot", 1)]);
    assert!(tokio::time::timeout(Duration::from_millis(200), cut_off).await.is_err());
    world.until("it has lined up", async || world.waiting() == 1.0).await;
    let again = [(running.clone(), "running"), (waiting.clone(), "waiting")]
        .map(|(buyer, key)| world.begin(async move { buyer.place(key, &[("hot", 1)]).await }));
    // Another request with the same key is told at once, so those before it have been taken in.
    assert_eq!(reason(world.buyer(0).place("running", &[("hot", 1)]).await), Reason::IdempotencyInFlight);
    point.off().await;
    let first = first.await.unwrap();
    let [running, waiting] = again;
    let (running, waiting) = (running.await.unwrap(), waiting.await.unwrap());
    assert_eq!((running.id, running.replay_of), (first.id, Some(first.request_id)));
    world.assert_placed_once([("waiting", &waiting)]).await;
    assert_eq!(world.available("hot").await, 8);
    world.finish().await;
}

#[tokio::test]
async fn a_cancellation_that_is_sent_once_more_waits_for_its_first_attempt() {
    let world = World::start("cancel_more", 1, &[("hot", 10)]).await;
    let buyer = world.buyer(0).with_one_request();
    let order = buyer.place("place", &[("hot", 1)]).await.unwrap().id;
    let point = FailPoint::hold(&world).await;
    let holder = world.buyer(0);
    let holder = world.begin(async move { holder.place("holder", &[("hot", 1)]).await });
    point.hit(1).await;
    let one = buyer.clone();
    let first = world.line_up(0, async move { one.cancel("key", order).await }).await;
    let again = world.begin(async move { buyer.cancel("key", order).await });
    assert_eq!(reason(world.buyer(0).cancel("key", order).await), Reason::IdempotencyInFlight);
    point.off().await;
    let (first, again) = (first.await.unwrap(), again.await.unwrap());
    assert_eq!((again.status, again.replay_of), (OrderStatus::Cancelled, Some(first.request_id)));
    holder.await.unwrap();
    assert_eq!(world.available("hot").await, 9);
    world.finish().await;
}

#[tokio::test]
async fn twins_on_two_replicas_at_once_place_one_order() {
    let world = World::start("twins", 2, &[("hot", 100)]).await;
    let twins = (0..20).map(|number| {
        let (one, two) = (world.buyer(0), world.buyer(1));
        async move {
            let key = number.to_string();
            let told = futures::join!(one.place(&key, &[("hot", 1)]), two.place(&key, &[("hot", 1)]));
            (key, [told.0.unwrap(), told.1.unwrap()])
        }
    });
    for (key, told) in join_all(twins).await {
        world.assert_placed_once(told.iter().map(|told| (key.as_str(), told))).await;
        assert_eq!(told.iter().filter(|told| told.replay_of.is_none()).count(), 1, "{told:?}");
        let [first, again] = if told[0].replay_of.is_none() {
            told
        } else {
            let [a, b] = told;
            [b, a]
        };
        assert_eq!(again.replay_of, Some(first.request_id));
    }
    assert_eq!(world.available("hot").await, 80);
    world.finish().await;
}

#[tokio::test]
async fn twins_that_cancel_give_the_stock_back_once() {
    let world = World::start("cancel_twins", 2, &[("hot", 20)]).await;
    let placing = (0..20).map(|number| {
        let buyer = world.buyer(number % 2);
        async move { buyer.place(&number.to_string(), &[("hot", 1)]).await.unwrap() }
    });
    let placed = join_all(placing).await;
    let twins = placed.iter().map(|order| {
        let (one, two) = (world.buyer(0), world.buyer(1));
        async move {
            let key = format!("cancel-{}", order.id);
            futures::join!(one.cancel_surely(&key, order.id), two.cancel_surely(&key, order.id))
        }
    });
    for (order, (one, two)) in placed.iter().zip(join_all(twins).await) {
        assert_eq!([one.id, two.id], [order.id; 2]);
        assert_eq!([one.status, two.status], [OrderStatus::Cancelled; 2]);
        assert_eq!([&one, &two].iter().filter(|told| told.replay_of.is_none()).count(), 1);
    }
    // The answer of placing it is what it was.
    let again = world.buyer(0).place("0", &[("hot", 1)]).await.unwrap();
    assert_eq!((again.id, again.status), (placed[0].id, OrderStatus::PendingPayment));
    assert_eq!(world.available("hot").await, 20);
    world.finish().await;
}

#[tokio::test]
async fn a_key_that_cancels_two_orders_at_once_cancels_one() {
    let world = World::start("cancel_reused", 1, &[("hot", 10)]).await;
    let buyer = world.buyer(0);
    let one = buyer.place("one", &[("hot", 1)]).await.unwrap();
    let two = buyer.place("two", &[("hot", 1)]).await.unwrap();
    let point = FailPoint::hold(&world).await;
    let (holding, cancelling, reusing) = (buyer.clone(), buyer.clone(), buyer.clone());
    let holder = world.begin(async move { holding.place("holder", &[("hot", 1)]).await });
    point.hit(1).await;
    let cancelled = world.line_up(0, async move { cancelling.cancel("key", one.id).await }).await;
    let reused = world.begin(async move { reusing.cancel("key", two.id).await });
    let reused = tokio::time::timeout(Duration::from_secs(15), reused).await;
    point.off().await;
    assert_eq!(reason(reused.expect("it is refused before its turn")), Reason::IdempotencyKeyReused);
    assert_eq!(cancelled.await.unwrap().id, one.id);
    holder.await.unwrap();
    assert_eq!(reason(buyer.cancel("key", two.id).await), Reason::IdempotencyKeyReused);
    assert_eq!(world.count("orders", doc! { "status": "cancelled" }).await, 1);
    assert_eq!(world.available("hot").await, 8);
    world.finish().await;
}
