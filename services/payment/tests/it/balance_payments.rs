//! Payments from an account.

use envelope::Reason;
use futures::future::join_all;
use primitives::{OrderId, UserId};
use proto::payment::v1::{PaymentMethod, PaymentStatus};

use crate::world::{World, balance, card, fields, reason, statuses};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_paid_once_and_the_same_payment_is_returned_again() {
    let world = World::start("pay_once").await;
    let user = world.user_with(1_000).await;
    let order = OrderId::new();
    let paid = world.charge(order, user, 300, balance()).await.unwrap();
    assert_eq!((paid.status(), paid.method()), (PaymentStatus::Captured, PaymentMethod::Balance));
    assert_eq!(paid.order_id, order.to_string());
    assert_eq!(world.charge(order, user, 300, balance()).await.unwrap(), paid);
    assert_eq!(world.charge(order, user, 300, card("tok_ok")).await.unwrap(), paid);
    assert_eq!(world.resolve(order).await, Some(paid.clone()));
    assert_eq!(world.list(order).await, [paid]);
    assert_eq!(world.balance(user).await, 700);
    let other_amount = world.charge(order, user, 301, balance()).await;
    assert_eq!(reason(other_amount), Reason::InvalidState);
    let other_user = world.charge(order, UserId::new(), 300, balance()).await;
    assert_eq!(reason(other_user), Reason::InvalidState);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_not_covered_is_refused_and_may_be_tried_again() {
    let world = World::start("pay_uncovered").await;
    let user = world.user_with(299).await;
    let order = OrderId::new();
    assert_eq!(reason(world.charge(order, user, 300, balance()).await), Reason::InsufficientFunds);
    assert_eq!(reason(world.charge(order, UserId::new(), 300, balance()).await), Reason::InsufficientFunds);
    assert!(world.list(order).await.is_empty() && world.resolve(order).await.is_none());
    assert_eq!(world.balance(user).await, 299);
    world.charge(order, user, 299, balance()).await.unwrap();
    assert_eq!(world.balance(user).await, 0);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_amounts_tokens_and_ids_are_refused() {
    let world = World::start("pay_bad_input").await;
    let user = UserId::new();
    for (amount, method, field) in [
        (0, balance(), "amount"),
        (-5, balance(), "amount"),
        (5, card(""), "token"),
        (5, card("a b"), "token"),
        (5, card(&"x".repeat(256)), "token"),
    ] {
        let refused = world.charge(OrderId::new(), user, amount, method).await.unwrap_err();
        assert_eq!((refused.reason(), fields(&refused)), (Reason::ValidationFailed, vec![field]));
    }
    assert!(world.all("payments").await.is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_charges_of_one_order_pay_once() {
    let world = World::start("pay_concurrent").await;
    let user = world.user_with(1_000).await;
    let order = OrderId::new();
    let answers = join_all((0..32).map(|_| world.charge(order, user, 100, balance()))).await;
    let payments: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(payments.iter().all(|payment| payment == &payments[0]));
    assert_eq!(statuses(&world.list(order).await), [PaymentStatus::Captured]);
    assert_eq!(world.balance(user).await, 900);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_payments_never_overdraw_an_account() {
    let world = World::start("pay_overdraw").await;
    let user = world.user_with(1_000).await;
    let answers = join_all((0..24).map(|_| world.charge(OrderId::new(), user, 100, balance()))).await;
    let (paid, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(paid.len(), 10);
    assert!(refused.into_iter().all(|answer| reason(answer) == Reason::InsufficientFunds));
    assert_eq!(world.balance(user).await, 0);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_refunds_give_the_money_back_once() {
    let world = World::start("refund_balance").await;
    let user = world.user_with(1_000).await;
    let order = OrderId::new();
    assert_eq!(reason(world.refund(order).await), Reason::InvalidState);
    world.charge(order, user, 400, balance()).await.unwrap();
    for refunded in join_all((0..16).map(|_| world.refund(order))).await {
        assert_eq!(refunded.unwrap().status(), PaymentStatus::Refunded);
    }
    assert_eq!(world.balance(user).await, 1_000);
    assert_eq!(world.all("account_entries").await.len(), 3);
    assert_eq!(reason(world.charge(order, user, 400, balance()).await), Reason::InvalidState);
    assert_eq!(world.resolve(order).await.unwrap().status(), PaymentStatus::Refunded);
    world.finish().await;
}
