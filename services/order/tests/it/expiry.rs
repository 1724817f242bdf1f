//! Orders that are not paid in time give their stock back once, through the lanes, whichever replica sees to it.

use envelope::Reason;
use futures::future::join_all;
use mongodb::bson::doc;
use proto::order::v1::OrderStatus;

use crate::world::{Buyer, Told, World, passes};

const SKUS: [&str; 3] = ["red", "green", "blue"];

#[tokio::test]
async fn all_expire_once_and_share_movements() {
    let stock = SKUS.map(|sku| (sku, 500));
    let world = World::start_with("expire_all", 2, &stock, |config| {
        config.orders.payment_window_ms = 1_000;
    })
    .await;
    let placing = (0..300).map(|number: usize| {
        let buyer = world.buyer(number % 2);
        let lines = [(SKUS[number % 3], 1), (SKUS[(number + 1) % 3], 2)];
        async move { buyer.place_surely(&number.to_string(), &lines).await }
    });
    join_all(placing).await;
    let expired = doc! { "status": "expired" };
    world.until("all have expired", async || world.count("orders", expired.clone()).await == 300).await;
    assert_eq!(world.count("orders", doc! { "version": 2_i64 }).await, 300);
    for sku in SKUS {
        assert_eq!(world.available(sku).await, 500);
    }
    let movements = world.count("stock_movements", doc! { "reason": "order_expired" }).await;
    assert!((3..300).contains(&movements), "{movements} movements for 600 lines");
    world.finish().await;
}

#[tokio::test]
async fn what_is_cancelled_while_it_expires_ends_once() {
    let world = World::start_with("expire_race", 2, &[("hot", 1_000)], |config| {
        config.orders.payment_window_ms = 1_500;
    })
    .await;
    let place = |name: &'static str, number: usize| {
        let buyer = world.buyer(number % 2);
        async move { buyer.place_surely(&format!("{name}-{number}"), &[("hot", 2)]).await }
    };
    let placed = join_all((0..60).map(|number| place("first", number))).await;
    let first_end = placed.iter().map(|told| told.expires_at_ms).min().unwrap();
    world.until("they begin to expire", async || primitives::now().as_millisecond() >= first_end).await;
    let cancelling = placed.iter().enumerate().map(|(number, told)| {
        let buyer = world.buyer(number % 2);
        async move { cancel(&format!("cancel-{number}"), &buyer, told).await }
    });
    let burst = (0..60).map(|number| place("second", number));
    let (ends, burst) = futures::join!(join_all(cancelling), join_all(burst));
    let keys: Vec<_> = (0..60).map(|number| format!("second-{number}")).collect();
    world.assert_placed_once(keys.iter().map(String::as_str).zip(&burst)).await;
    let cancelled = u64::try_from(ends.iter().filter(|end| **end == OrderStatus::Cancelled).count()).unwrap();
    let ended = doc! { "status": "expired" };
    world.until("the rest has expired", async || world.count("orders", ended.clone()).await == 120 - cancelled).await;
    assert_eq!(world.count("orders", doc! { "status": "cancelled" }).await, cancelled);
    assert_eq!(world.count("orders", doc! { "version": 2_i64 }).await, 120);
    assert_eq!(world.available("hot").await, 1_000);
    world.finish().await;
}

/// Cancels an order that may expire meanwhile; gives the state that it has ended in.
async fn cancel(key: &str, buyer: &Buyer, order: &Told) -> OrderStatus {
    loop {
        match buyer.cancel(key, order.id).await {
            Ok(told) => return told.status,
            Err(error) if error.reason() == Reason::InvalidState => return OrderStatus::Expired,
            Err(error) => assert!(passes(&error), "{error:?}"),
        }
        tokio::task::yield_now().await;
    }
}
