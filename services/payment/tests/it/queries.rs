//! Every query of the service uses an index.

use futures::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use primitives::{OrderId, UserId};

use crate::world::{World, balance, card};

/// How many keys or documents a query may examine beyond those that it returns or changes.
const SLACK: i64 = 1;

fn number(entry: &Document, field: &str) -> i64 {
    match entry.get(field) {
        Some(Bson::Int32(number)) => i64::from(*number),
        Some(Bson::Int64(number)) => *number,
        _ => 0,
    }
}

/// Runs every use case with the database's profiler on, with enough other documents to make a scan visible.
#[tokio::test(flavor = "multi_thread")]
async fn no_query_examines_more_than_it_needs() {
    let world = World::start_with("queries", |config| config.resolver.first_look_ms = 0).await;
    for _ in 0..20 {
        let user = world.user_with(100).await;
        world.charge(OrderId::new(), user, 60, balance()).await.unwrap();
        world.charge(OrderId::new(), user, 60, card("tok_ok")).await.unwrap();
    }
    let order = OrderId::new();
    for _ in 0..10 {
        world.charge(order, UserId::new(), 60, card("tok_declined")).await.unwrap_err();
    }
    world.db.database().run_command(doc! { "profile": 2 }).await.unwrap();
    let user = world.user_with(100).await;
    world.charge(order, user, 60, balance()).await.unwrap();
    world.list(order).await;
    world.resolve(order).await;
    world.refund(order).await.unwrap();
    world.balance(user).await;
    let unsettled = OrderId::new();
    world.charge(unsettled, user, 60, card("tok_fail")).await.unwrap_err();
    world.charge(unsettled, user, 60, card("tok_ok")).await.unwrap();
    world.refund(unsettled).await.unwrap();
    world.db.database().run_command(doc! { "profile": 0 }).await.unwrap();
    let entries: Vec<Document> =
        world.documents("system.profile").find(doc! {}).await.unwrap().try_collect().await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for entry in &entries {
        let collection = entry.get_str("ns").unwrap_or_default().split_once('.').map_or("", |(_, name)| name);
        let ours = ["accounts", "account_entries", "payments", "idempotency_keys"].contains(&collection);
        if !ours {
            continue;
        }
        let results = number(entry, "nreturned") + number(entry, "nMatched");
        let (keys, documents) = (number(entry, "keysExamined"), number(entry, "docsExamined"));
        assert!(keys <= results + SLACK && documents <= results + SLACK, "{entry}");
        assert!(!entry.get_str("planSummary").unwrap_or_default().contains("COLLSCAN"), "{entry}");
        seen.insert((collection.to_owned(), entry.get_str("op").unwrap_or_default().to_owned()));
    }
    for expected in ["accounts", "account_entries", "payments", "idempotency_keys"] {
        assert!(seen.contains(&(expected.to_owned(), "query".to_owned())), "{expected} was never queried: {seen:?}");
    }
    // The steps: `findAndModify` is recorded as a command.
    assert!(seen.contains(&("payments".to_owned(), "command".to_owned())), "{seen:?}");
    world.finish().await;
}
