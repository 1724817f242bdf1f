//! Assessments, and which of them are stored.

use envelope::Reason;
use mongodb::bson::doc;
use primitives::UserId;
use proto::risk::v1::Decision;
use risk::{Rules, When};

use crate::world::{Replica, World, eventually, order, rules};

#[tokio::test(flavor = "multi_thread")]
async fn only_refusals_are_stored() {
    let world = World::start("verdict", rules(&[When::AmountAbove { amount: 1_000 }])).await;
    let replica = world.replica().await;
    let accepted = replica.assess(&order(UserId::new(), 1_000)).await.unwrap();
    assert_eq!((accepted.decision(), accepted.score, accepted.rules_version), (Decision::Accept, 0, 1));
    let expensive = order(UserId::new(), 1_001);
    let refused = replica.assess(&expensive).await.unwrap();
    assert_eq!((refused.decision(), refused.score), (Decision::Reject, 100));
    assert_eq!((&refused.order_id, &refused.reasons[..]), (&expensive.order_id, &["amount_above".into()][..]));
    let id = expensive.order_id.parse().unwrap();
    eventually("the refusal is stored", async || replica.reviews(&[id]).await == [refused.clone()]).await;
    assert_eq!(world.count("risk_assessments", doc! {}).await, 1);
    // Nothing is counted unless a rule counts orders.
    assert_eq!(world.count("risk_counts", doc! {}).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_request_is_rejected_with_the_field() {
    let world = World::start("no_order", Rules::default()).await;
    let replica = world.replica().await;
    let good = order(UserId::new(), 5);
    let wrong = [
        proto::risk::v1::AssessRequest { order_id: "x".into(), ..good.clone() },
        proto::risk::v1::AssessRequest { user_id: String::new(), ..good.clone() },
        proto::risk::v1::AssessRequest { attempt: vec![1; 15], ..good.clone() },
        proto::risk::v1::AssessRequest { total: None, ..good.clone() },
        proto::risk::v1::AssessRequest { client_address: "localhost".into(), ..good.clone() },
    ];
    for request in wrong {
        let error = replica.assess(&request).await.unwrap_err();
        assert_eq!(error.reason(), Reason::ValidationFailed, "{request:?}");
    }
    let unknown = proto::risk::v1::AssessRequest { client_address: String::new(), ..good };
    assert_eq!(replica.assess(&unknown).await.unwrap().decision(), Decision::Accept);
}

#[tokio::test(flavor = "multi_thread")]
async fn assessments_are_unavailable_until_rules_are_read() {
    let mut world = World::start("no_rules", Rules::default()).await;
    // No server listens on this port.
    world.config.mongo.uri = "mongodb://127.0.0.1:1/?directConnection=true".into();
    let replica = Replica::start(&world.config).await;
    let error = replica.assess(&order(UserId::new(), 5)).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Unavailable);
    assert_eq!(replica.rules(0).await.unwrap_err().reason(), Reason::Unavailable);
}
