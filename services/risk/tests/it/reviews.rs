//! Orders that were accepted without the service are reviewed when their event arrives, once.

use mongodb::bson::doc;
use primitives::{OrderId, UserId};
use proto::risk::v1::{Assessment, Decision};
use risk::When;

use crate::world::{Replica, World, eventually, order, rules};

async fn reviewed(replica: &Replica, orders: &[OrderId]) -> Vec<Assessment> {
    eventually("all orders are reviewed", async || replica.reviews(orders).await.len() == orders.len()).await;
    replica.reviews(orders).await
}

fn decisions(found: &[Assessment], orders: &[OrderId]) -> Vec<Decision> {
    let of = |id: &OrderId| found.iter().find(|one| one.order_id == id.to_string()).unwrap().decision();
    orders.iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_orders_that_ask_for_a_review_are_reviewed() {
    let world = World::start("review", rules(&[When::AmountAbove { amount: 1_000 }])).await;
    let replica = world.replica().await;
    let mut asked = Vec::new();
    for total in [1_000, 1_001] {
        world.publish(&order(UserId::new(), total), false).await;
        asked.push(world.publish(&order(UserId::new(), total), true).await);
    }
    let found = reviewed(&replica, &asked).await;
    assert_eq!(decisions(&found, &asked), [Decision::Accept, Decision::Reject]);
    assert_eq!(world.count("risk_assessments", doc! {}).await, 2);
    // Events that don't concern the service leave no record in the inbox.
    assert_eq!(world.count("inbox", doc! {}).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn reviewed_orders_are_counted_once_and_with_the_others() {
    let window = When::OrdersOfUser { most: 3, within_seconds: 3_600 };
    let world = World::start("late", rules(&[window])).await;
    let replica = world.replica().await;
    let ann = UserId::new();
    // One was assessed in time; another was counted, but its assessment came too late.
    replica.assess(&order(ann, 5)).await.unwrap();
    let too_late = order(ann, 5);
    replica.assess(&too_late).await.unwrap();
    let told = doc! { "_id.subject": format!("user {ann}"), "_id.counter": { "$gt": 0 } };
    eventually("the counts are written", async || {
        let told = world.all("risk_counts", told.clone()).await;
        told.iter().map(|count| count.get_i64("count").unwrap()).sum::<i64>() == 2
    })
    .await;
    let orders = [world.publish(&too_late, true).await, world.publish(&order(ann, 5), true).await];
    let found = reviewed(&replica, &orders).await;
    assert_eq!(decisions(&found, &orders), [Decision::Accept; 2]);
    world.publish_again().await;
    // Three orders so far; a fourth is too many.
    let last = [world.publish(&order(ann, 5), true).await];
    let found = reviewed(&replica, &last).await;
    assert_eq!(decisions(&found, &last), [Decision::Reject]);
    let reviews = doc! { "_id.subject": format!("user {ann}"), "_id.counter": 0_i64 };
    let counted = world.all("risk_counts", reviews).await;
    assert_eq!(counted.iter().map(|count| count.get_i64("count").unwrap()).sum::<i64>(), 2);
    let next = order(ann, 5);
    eventually("reviewed orders count in assessments", async || {
        replica.assess(&next).await.unwrap().decision() == Decision::Reject
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_reviewed_once_rules_are_known() {
    let world = World::start("waits", rules(&[When::AmountAbove { amount: 1_000 }])).await;
    // No replica runs when the order is placed.
    let orders = [world.publish(&order(UserId::new(), 5_000), true).await];
    let replica = world.replica().await;
    let found = reviewed(&replica, &orders).await;
    assert_eq!(decisions(&found, &orders), [Decision::Reject]);
    assert_eq!(found[0].reasons, ["amount_above"]);
}
