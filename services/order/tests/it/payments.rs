//! One attempt to pay has the order to itself, and an attempt that is cut off keeps nobody from paying.

use std::sync::Arc;

use envelope::{Error, Reason};
use futures::future::{BoxFuture, join_all};
use mongo::to_bson_uuid;
use mongodb::bson::doc;
use primitives::OrderId;
use tokio::sync::OwnedSemaphorePermit;

use crate::world::{Buyer, World, reason};

struct Paying {
    order: OrderId,
    /// Of the request that pays it.
    buyer: Buyer,
    /// No charge ends until it is dropped.
    shut: OwnedSemaphorePermit,
    first: BoxFuture<'static, Result<(), Error>>,
}

/// Begins to pay an order at one replica, whose charge is held up.
async fn begin_paying(world: &World) -> Paying {
    let buyer = world.buyer(0).with_one_request();
    let order = buyer.place("place", &[("hot", 1)]).await.unwrap().id;
    let shut = Arc::clone(&world.payment.gate).acquire_many_owned(1_000).await.unwrap();
    let one = buyer.clone();
    let first = world.begin(async move { one.pay("pay", order).await });
    charged(world, 1).await;
    Paying { order, buyer, shut, first }
}

#[tokio::test]
async fn a_request_takes_an_order_over_from_its_first_attempt() {
    let world = World::start("pay_more", 2, &[("hot", 10)]).await;
    let Paying { order, buyer, shut, first } = begin_paying(&world).await;
    let (other, same) = (world.buyer(1), world.buyer(1).with_request_of(&buyer));
    assert_eq!(reason(other.pay("pay", order).await), Reason::IdempotencyInFlight);
    assert_eq!(reason(other.pay("other", order).await), Reason::InvalidState);
    let again = world.begin(async move { same.pay("pay", order).await });
    charged(&world, 2).await;
    drop(shut);
    // Whichever comes first writes it down, and the other is given the same answer.
    first.await.unwrap();
    again.await.unwrap();
    let paid = doc! { "_id": to_bson_uuid(order.as_uuid()), "status": "paid", "payment": { "$exists": false } };
    assert_eq!(world.count("orders", paid).await, 1);
    assert_eq!(world.count("idempotency_keys", doc! { "_id": { "$regex": "^pay-order " } }).await, 1);
    finish(world, order).await;
}

#[tokio::test]
async fn a_refusal_does_not_let_others_pay_while_the_first_attempt_may_be_charging() {
    let world = World::start_with("pay_refused", 2, &[("hot", 10)], |config| config.orders.payment_lease_ms = 10_000);
    let world = world.await;
    let Paying { order, buyer, shut, first } = begin_paying(&world).await;
    world.payment.state().refuses = true;
    let same = world.buyer(1).with_request_of(&buyer);
    let again = world.begin(async move { same.pay("pay", order).await });
    charged(&world, 2).await;
    drop(shut);
    assert_eq!(reason(again.await), Reason::PaymentDeclined);
    assert_eq!(reason(first.await), Reason::PaymentDeclined);
    // The one that was overtaken has nothing to give back any more.
    assert_eq!(reason(world.buyer(1).pay("other", order).await), Reason::InvalidState);
    world.payment.state().refuses = false;
    world
        .until("the follow-up has found that nothing was charged", async || {
            world.buyer(0).pay("other", order).await.is_ok()
        })
        .await;
    finish(world, order).await;
}

#[tokio::test]
async fn a_card_provider_that_is_away_keeps_nobody_from_paying_from_a_balance() {
    let world = World::start("pay_cards", 1, &[("hot", 30)]).await;
    world.payment.state().takes_no_cards = true;
    let buyer = &world.buyer(0);
    let by_card = (0..20).map(async |number| {
        let order = buyer.place(&format!("place-{number}"), &[("hot", 1)]).await.unwrap().id;
        reason(buyer.pay_by_card(&format!("pay-{number}"), order).await)
    });
    let refused = join_all(by_card).await;
    assert!(refused.iter().all(|reason| *reason == Reason::Unavailable), "{refused:?}");
    let order = buyer.place("place", &[("hot", 1)]).await.unwrap().id;
    buyer.pay("pay", order).await.unwrap();
    finish(world, order).await;
}

async fn charged(world: &World, times: usize) {
    world.until("the payment service is asked", async || world.payment.state().charged.len() == times).await;
}

/// Nobody keeps the books of payments here, so they must be even in the end.
async fn finish(world: World, order: OrderId) {
    world.buyer(0).cancel_surely("cancel", order).await;
    world.until("it is given back", async || world.payment.state().refunded == [order]).await;
    world.finish().await;
}
