//! Payments by card, with a provider that is slow, fails, loses answers or answers twice.

use std::time::Duration;

use envelope::Reason;
use futures::future::join_all;
use primitives::{OrderId, UserId};
use proto::payment::v1::PaymentStatus;
use tokio::time::Instant;

use crate::world::{World, balance, card, reason, statuses};

/// A charge with this token is captured within the request, once.
async fn is_captured_once(token: &str) {
    let world = World::start(token).await;
    let order = OrderId::new();
    let user = UserId::new();
    let paid = world.charge(order, user, 700, card(token)).await.unwrap();
    assert_eq!(paid.status(), PaymentStatus::Captured);
    assert_eq!(world.charge(order, user, 700, card("tok_ok")).await.unwrap(), paid);
    let (status, captures, _, _) = world.sandbox.tally(&paid.id).await.unwrap();
    assert_eq!((status.as_str(), captures), ("captured", 1));
    assert_eq!(statuses(&world.list(order).await), [PaymentStatus::Captured]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_card_is_charged() {
    is_captured_once("tok_ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_answer_is_one_charge() {
    is_captured_once("tok_twice").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_that_times_out_is_looked_up() {
    is_captured_once("tok_slow_30000").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_answered_with_500_after_the_capture_is_looked_up() {
    is_captured_once("tok_fail_after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_whose_answer_is_lost_is_looked_up() {
    is_captured_once("tok_drop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_leaves_the_order_free_to_be_paid() {
    let world = World::start("card_declined").await;
    let (order, user) = (OrderId::new(), world.user_with(700).await);
    assert_eq!(reason(world.charge(order, user, 700, card("tok_declined")).await), Reason::PaymentDeclined);
    assert_eq!(reason(world.charge(order, user, 700, card("tok_declined")).await), Reason::PaymentDeclined);
    assert!(world.resolve(order).await.is_none());
    assert_eq!(reason(world.refund(order).await), Reason::InvalidState);
    world.charge(order, user, 700, balance()).await.unwrap();
    let newest_first = [PaymentStatus::Captured, PaymentStatus::Declined, PaymentStatus::Declined];
    assert_eq!(statuses(&world.list(order).await), newest_first);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_that_never_arrived_is_sent_again_under_the_same_key() {
    let world = World::start("card_fail").await;
    let (order, user) = (OrderId::new(), UserId::new());
    let unknown = world.charge(order, user, 700, card("tok_fail")).await.unwrap_err();
    assert_eq!(unknown.reason(), Reason::Unavailable);
    assert!(unknown.retry_after().is_some());
    let pending = world.resolve(order).await.unwrap();
    assert_eq!(pending.status(), PaymentStatus::Pending);
    let by_balance = world.charge(order, user, 700, balance()).await;
    assert_eq!(reason(by_balance), Reason::Unavailable, "another method has to wait for the outcome");
    let paid = world.charge(order, user, 700, card("tok_ok")).await.unwrap();
    assert_eq!((paid.id.as_str(), paid.status()), (pending.id.as_str(), PaymentStatus::Captured));
    assert_eq!(world.sandbox.captures(&paid.id).await, 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_with_an_unknown_outcome_is_looked_up_before_it_is_repeated() {
    let world = World::start("card_unknown").await;
    let (order, user) = (OrderId::new(), UserId::new());
    // The provider executes every call and answers none, look-ups included.
    world.sandbox.behave("drop").await;
    for _ in 0..3 {
        assert_eq!(reason(world.charge(order, user, 700, card("tok_ok")).await), Reason::Unavailable);
    }
    assert_eq!(world.resolve(order).await.unwrap().status(), PaymentStatus::Pending);
    world.sandbox.behave("normal").await;
    let paid = world.charge(order, user, 700, card("tok_ok")).await.unwrap();
    let tally = world.sandbox.tally(&paid.id).await.unwrap();
    assert_eq!(tally, ("captured".to_owned(), 1, 0, 1), "the charge was sent more than once");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_whose_look_ups_miss_the_charge_captures_it_once() {
    let world = World::start("card_forgets").await;
    let (order, user) = (OrderId::new(), UserId::new());
    world.sandbox.behave("unknown_lookups").await;
    assert_eq!(reason(world.charge(order, user, 700, card("tok_drop")).await), Reason::Unavailable);
    let paid = world.charge(order, user, 700, card("tok_drop")).await.unwrap();
    let tally = world.sandbox.tally(&paid.id).await.unwrap();
    assert_eq!(tally, ("captured".to_owned(), 1, 0, 2));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_provider_delays_a_request_only_by_its_time_outs() {
    let world = World::start("card_hangs").await;
    let (order, user) = (OrderId::new(), UserId::new());
    world.sandbox.behave("slow").await;
    let started = Instant::now();
    assert_eq!(reason(world.charge(order, user, 700, card("tok_ok")).await), Reason::Unavailable);
    // One call and one look-up of 1 s each; the rest is slack for a busy machine.
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    world.sandbox.behave("normal").await;
    assert_eq!(world.resolve(order).await.unwrap().status(), PaymentStatus::Captured);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_card_charges_of_one_order_capture_once() {
    let world = World::start("card_concurrent").await;
    let (order, user) = (OrderId::new(), UserId::new());
    let answers = join_all((0..32).map(|_| world.charge(order, user, 700, card("tok_ok")))).await;
    let payments: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(payments.iter().all(|payment| payment == &payments[0]));
    assert_eq!(statuses(&world.list(order).await), [PaymentStatus::Captured]);
    assert_eq!(world.sandbox.captures(&payments[0].id).await, 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_card_refunds_give_the_money_back_once() {
    let world = World::start("card_refund").await;
    let (order, user) = (OrderId::new(), UserId::new());
    let paid = world.charge(order, user, 700, card("tok_ok")).await.unwrap();
    for refunded in join_all((0..16).map(|_| world.refund(order))).await {
        assert_eq!(refunded.unwrap().status(), PaymentStatus::Refunded);
    }
    let (status, _, refunds, _) = world.sandbox.tally(&paid.id).await.unwrap();
    assert_eq!((status.as_str(), refunds), ("refunded", 1));
    assert_eq!(reason(world.charge(order, user, 700, card("tok_ok")).await), Reason::InvalidState);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_payment_is_looked_up_before_it_is_refunded() {
    let world = World::start("card_refund_pending").await;
    let (order, user) = (OrderId::new(), UserId::new());
    world.sandbox.behave("drop").await;
    assert_eq!(reason(world.charge(order, user, 700, card("tok_ok")).await), Reason::Unavailable);
    assert_eq!(reason(world.refund(order).await), Reason::Unavailable);
    world.sandbox.behave("normal").await;
    assert_eq!(world.refund(order).await.unwrap().status(), PaymentStatus::Refunded);
    world.finish().await;
}
