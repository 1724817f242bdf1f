//! Planted differences are found and named, and concurrent changes are no difference.

use std::sync::atomic::{AtomicBool, Ordering};

use mongodb::bson::doc;
use primitives::UserId;
use reconciliation::domain::Difference;
use reconciliation::domain::LineKind;

use crate::world::{World, day, deadline, line};

async fn differences(world: &World) -> Vec<Difference> {
    let page = world.statements.audit(day("2026-11-24"), None, deadline()).await.unwrap();
    page.findings.into_iter().map(|finding| finding.difference).collect()
}

async fn with_one_statement(test: &str) -> World {
    let world = World::start(test).await;
    let (user, today) = (UserId::new(), day("2026-11-24"));
    let lines = [(LineKind::OrderPlaced, 500), (LineKind::PaymentCaptured, 500)];
    world.apply(lines.map(|(kind, amount)| line(user, kind, amount, today)).to_vec()).await.unwrap();
    assert_eq!(differences(&world).await, []);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_does_not_add_up_is_found() {
    let world = with_one_statement("sum").await;
    world.collection("statements").update_one(doc! {}, doc! { "$inc": { "net": 1_i64 } }).await.unwrap();
    assert_eq!(differences(&world).await, [Difference::StatementDiffers]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubled_effect_is_found_although_the_statement_adds_up() {
    let world = with_one_statement("doubled").await;
    let again = doc! { "$inc": {
        "tallies.payment_captured.count": 1_i64, "tallies.payment_captured.amount": 500_i64,
        "lines": 1_i64, "net": 500_i64,
    } };
    world.collection("statements").update_one(doc! {}, again).await.unwrap();
    assert_eq!(differences(&world).await, [Difference::StatementDiffers]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_its_statement_and_a_statement_without_its_lines_are_found() {
    let world = with_one_statement("missing").await;
    world.collection("statement_lines").delete_many(doc! {}).await.unwrap();
    assert_eq!(differences(&world).await, [Difference::StatementDiffers]);
    let world = with_one_statement("orphan").await;
    world.collection("statements").delete_many(doc! {}).await.unwrap();
    assert_eq!(differences(&world).await, [Difference::StatementDiffers]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_s_day_that_is_not_the_sum_of_its_lines_is_found() {
    let world = with_one_statement("merchant").await;
    let audit = async || world.statements.audit_merchant_day(day("2026-11-24"), deadline()).await.unwrap();
    assert_eq!(audit().await, None);
    world.collection("merchant_days").update_one(doc! {}, doc! { "$inc": { "sales": 1_i64 } }).await.unwrap();
    let finding = audit().await.unwrap();
    assert_eq!((finding.difference, finding.subject.as_str()), (Difference::StatementDiffers, "merchant 2026-11-24"));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_customers_of_several_pages_are_compared() {
    let world = World::start("pages").await;
    let today = day("2026-11-24");
    let users: Vec<UserId> = (0..1_100).map(|_| UserId::new()).collect();
    world.apply(users.iter().map(|user| line(*user, LineKind::OrderPlaced, 5, today)).collect()).await.unwrap();
    let last = mongo::to_bson_uuid(users.last().unwrap().as_uuid());
    let changed = world
        .collection("statements")
        .update_one(doc! { "_id.userId": last }, doc! { "$inc": { "lines": 1_i64 } })
        .await
        .unwrap();
    assert_eq!(changed.modified_count, 1);
    let (mut after, mut checked, mut findings, mut pages) = (None, 0, Vec::new(), 0);
    loop {
        let page = world.statements.audit(today, after, deadline()).await.unwrap();
        checked += page.checked;
        findings.extend(page.findings);
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((checked, findings.len(), pages), (1_100, 1, 2));
    assert_eq!(findings[0].subject, format!("{} 2026-11-24", users.last().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_are_no_difference() {
    let world = World::start("moving").await;
    let (user, today) = (UserId::new(), day("2026-11-24"));
    let done = AtomicBool::new(false);
    let write = async {
        for _ in 0..100 {
            world.apply(vec![line(user, LineKind::OrderPlaced, 5, today)]).await.unwrap();
        }
        done.store(true, Ordering::Release);
    };
    let read = async {
        let mut compared = 0;
        while !done.load(Ordering::Acquire) {
            assert_eq!(differences(&world).await, []);
            compared += 1;
        }
        compared
    };
    let ((), compared) = tokio::join!(write, read);
    assert!(compared > 1);
}
