//! Orders are counted once, across replicas and restarts.

use mongodb::bson::doc;
use primitives::UserId;
use proto::risk::v1::Decision::{Accept, Reject};
use proto::risk::v1::{AssessRequest, Decision};
use risk::When;

use crate::world::{Replica, World, eventually, order, rules};

const HOUR: u32 = 3_600;

fn of_user(most: u32) -> When {
    When::OrdersOfUser { most, within_seconds: HOUR }
}

async fn decide(replica: &Replica, order: &AssessRequest) -> Decision {
    replica.assess(order).await.unwrap().decision()
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_counted_by_user_and_address_and_each_attempt_once() {
    let of_address = When::OrdersOfAddress { most: 5, within_seconds: HOUR };
    let world = World::start("velocity", rules(&[of_user(3), of_address])).await;
    let replica = world.replica().await;
    let (ann, bob) = (UserId::new(), UserId::new());
    for _ in 0..3 {
        let order = order(ann, 5);
        // A retry after a lost response: the same attempt with another order id.
        let again = AssessRequest { order_id: primitives::OrderId::new().to_string(), ..order.clone() };
        for attempt in [&order, &again, &order] {
            assert_eq!(decide(&replica, attempt).await, Accept);
        }
    }
    let refused = replica.assess(&order(ann, 5)).await.unwrap();
    assert_eq!(refused.reasons, ["orders_of_user"]);
    // The fifth order from the address, and the sixth.
    assert_eq!(decide(&replica, &order(bob, 5)).await, Accept);
    assert_eq!(replica.assess(&order(bob, 5)).await.unwrap().reasons, ["orders_of_address"]);
    let elsewhere = AssessRequest { client_address: "192.0.2.2".into(), ..order(bob, 5) };
    assert_eq!(decide(&replica, &elsewhere).await, Accept);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_exchange_their_counts() {
    let world = World::start("told", rules(&[of_user(4)])).await;
    let (one, two) = (world.replica().await, world.replica().await);
    let ann = UserId::new();
    for replica in [&one, &two, &one, &two] {
        assert_eq!(decide(replica, &order(ann, 5)).await, Accept);
    }
    // The check must not change the counts: a repeated attempt is judged again but not counted again.
    let last = order(ann, 5);
    eventually("both replicas know all orders", async || {
        decide(&one, &last).await == Reject && decide(&two, &last).await == Reject
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_outlive_the_process() {
    let world = World::start("restart", rules(&[of_user(3)])).await;
    let ann = UserId::new();
    let first = world.replica().await;
    for _ in 0..3 {
        assert_eq!(decide(&first, &order(ann, 5)).await, Accept);
    }
    first.stop().await;
    let told = world.all("risk_counts", doc! { "_id.subject": format!("user {ann}") }).await;
    assert_eq!(told.iter().map(|count| count.get_i64("count").unwrap()).sum::<i64>(), 3);
    let second = world.replica().await;
    assert_eq!(decide(&second, &order(ann, 5)).await, Reject);
    assert_eq!(decide(&second, &order(UserId::new(), 5)).await, Accept);
}
