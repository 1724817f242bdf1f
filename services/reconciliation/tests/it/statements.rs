//! Lines are applied once, atomically, and concurrently.

use futures::future::join_all;
use mongodb::bson::doc;
use primitives::UserId;
use reconciliation::domain::LineKind;

use crate::world::{World, day, deadline, line};

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_batches_of_a_customer_are_all_counted() {
    let world = World::start("meet").await;
    let (user, today) = (UserId::new(), day("2026-11-24"));
    let batches =
        (0..8).map(|_| world.apply((0..25).map(|_| line(user, LineKind::PaymentCaptured, 3, today)).collect()));
    for applied in join_all(batches).await {
        applied.unwrap();
    }
    let stored = world.collection("statements").find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(stored.get_i64("lines").unwrap(), 200);
    assert_eq!(stored.get_i64("net").unwrap(), 600);
    // One update for each batch, not for each line.
    assert_eq!(stored.get_i64("version").unwrap(), 8);
    let audit = world.statements.audit(today, None, deadline()).await.unwrap();
    assert_eq!((audit.checked, audit.findings), (1, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_was_applied_before_fails_its_whole_batch() {
    let world = World::start("twice").await;
    let (user, today) = (UserId::new(), day("2026-11-24"));
    let first = line(user, LineKind::OrderPlaced, 500, today);
    world.apply(vec![first.clone()]).await.unwrap();
    assert!(world.apply(vec![line(user, LineKind::OrderPaid, 500, today), first]).await.is_err());
    assert_eq!(world.collection("statement_lines").count_documents(doc! {}).await.unwrap(), 1);
    let stored = world.collection("statements").find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(stored.get_i64("lines").unwrap(), 1);
}
