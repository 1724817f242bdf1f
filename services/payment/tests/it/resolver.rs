//! The background work on payments that no request has settled.

use std::time::Duration;

use envelope::Reason;
use mongodb::bson::{DateTime, doc};
use payment::Config;
use primitives::{OrderId, UserId};
use proto::payment::v1::payment_service_client::PaymentServiceClient;
use proto::payment::v1::{ChargeRequest, PaymentStatus};
use service::Shell;

use crate::world::{World, card, internal, reason, serve, usd};

/// Looks at payments immediately; gives up those that the provider does not know after `grace_ms`.
fn eager(grace_ms: u64) -> impl FnOnce(&mut Config) {
    move |config| {
        config.resolver.first_look_ms = 0;
        config.resolver.grace_ms = grace_ms;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_whose_answer_was_lost_is_found() {
    let world = World::start_with("resolver_finds", eager(60_000)).await;
    let (order, user) = (OrderId::new(), UserId::new());
    world.sandbox.behave("drop").await;
    assert_eq!(reason(world.charge(order, user, 700, card("tok_ok")).await), Reason::Unavailable);
    world.sandbox.behave("normal").await;
    world.wait_for_status(order, "captured").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_that_never_arrived_is_given_up_and_cannot_be_captured_late() {
    let world = World::start_with("resolver_gives_up", eager(1_500)).await;
    let (order, user) = (OrderId::new(), UserId::new());
    assert_eq!(reason(world.charge(order, user, 700, card("tok_fail")).await), Reason::Unavailable);
    assert_eq!(world.resolve(order).await.unwrap().status(), PaymentStatus::Pending, "the grace period is not over");
    world.wait_for_status(order, "declined").await;
    let declined = world.list(order).await.remove(0);
    assert_eq!(world.sandbox.charge_late(&declined.id).await, "voided");
    assert_eq!(world.sandbox.captures(&declined.id).await, 0);
    let paid = world.charge(order, user, 700, card("tok_ok")).await.unwrap();
    assert_ne!(paid.id, declined.id);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_look_ups_miss_the_charge_is_settled_by_the_void() {
    let world = World::start_with("resolver_doubts", eager(1_500)).await;
    let (order, user) = (OrderId::new(), UserId::new());
    world.sandbox.behave("unknown_lookups").await;
    assert_eq!(reason(world.charge(order, user, 700, card("tok_drop")).await), Reason::Unavailable);
    world.wait_for_status(order, "captured").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_the_provider_failed_is_carried_out_later() {
    let world = World::start_with("resolver_refunds", eager(60_000)).await;
    let (order, user) = (OrderId::new(), UserId::new());
    let paid = world.charge(order, user, 700, card("tok_ok")).await.unwrap();
    world.sandbox.behave("fail").await;
    assert_eq!(reason(world.refund(order).await), Reason::Unavailable);
    assert_eq!(world.stored_status(order).await, "refunding");
    assert_eq!(world.resolve(order).await.unwrap().status(), PaymentStatus::Captured);
    assert_eq!(reason(world.charge(order, user, 700, card("tok_ok")).await), Reason::InvalidState);
    world.sandbox.behave("normal").await;
    world.wait_for_status(order, "refunded").await;
    let (_, captures, refunds, _) = world.sandbox.tally(&paid.id).await.unwrap();
    assert_eq!((captures, refunds), (1, 1));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_after_the_capture_loses_nothing() {
    let world = World::start("resolver_crash").await;
    let order = OrderId::new();
    charge_and_die(&world, order).await;
    assert_eq!(world.stored_status(order).await, "pending");
    // The dead process has set when the payment is due; make that now. The world's own service is the other replica.
    let due_now = doc! { "$set": { "dueAt": DateTime::now() } };
    world.documents("payments").update_one(doc! {}, due_now).await.unwrap();
    world.wait_for_status(order, "captured").await;
    world.finish().await;
}

/// Runs a second service in a runtime of its own, and ends that runtime abruptly while the service waits for the answer
/// of a provider that has captured.
async fn charge_and_die(world: &World, order: OrderId) {
    let config = world.config.clone();
    let doomed = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    doomed.spawn(async move {
        let shell = Shell::without_admin();
        let channel = serve(&shell, &config).await;
        let message = ChargeRequest {
            order_id: order.to_string(),
            user_id: UserId::new().to_string(),
            amount: Some(usd(700)),
            method: Some(card("tok_slow_30000")),
        };
        PaymentServiceClient::new(channel).charge(internal(message)).await
    });
    let captured = async {
        loop {
            if let [payment] = world.list(order).await.as_slice()
                && world.sandbox.captures(&payment.id).await == 1
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), captured).await.unwrap();
    doomed.shutdown_background();
}
