//! Idempotency records.

use std::time::Duration;

use envelope::Reason;
use futures::FutureExt as _;
use idempotency::{Answer, Conflict, ScopedKey};
use mongo::idempotency::Records;
use mongo::{Db, MongoConfig, Policy, TransactError};
use mongodb::bson::{Bson, Document, doc};
use primitives::UserId;
use service::Shell;
use tokio::sync::oneshot;

use crate::soon;

async fn database(test: &str) -> Db {
    let db = crate::database(test).await;
    mongo::migration::migrate(&db, mongo::idempotency::MIGRATIONS, soon()).await.unwrap();
    db
}

fn key(user: UserId, call: &str, body: u32) -> ScopedKey {
    ScopedKey::new(user, call, &"k-1".parse().unwrap(), &body).unwrap()
}

async fn record(db: &Db, key: &ScopedKey, answer: &str) -> Result<(), TransactError<Conflict>> {
    let (records, key, answer) = (Records::<String>::new(db), key.clone(), answer.to_owned());
    db.transact(soon(), move |session| {
        let (records, key, answer) = (records.clone(), key.clone(), answer.clone());
        async move { records.record(session, &key, "r-1", &answer).await }.boxed()
    })
    .await
}

#[tokio::test]
async fn a_key_replays_its_first_answer_in_its_own_scope_only() {
    let db = database("idempotency").await;
    let records = Records::<String>::new(&db);
    let user = UserId::new();
    let ours = key(user, "pay", 1);
    assert_eq!(records.find(&ours, soon()).await.unwrap(), None);
    record(&db, &ours, "first").await.unwrap();
    let again = Answer { value: "first".to_owned(), replay_of: Some("r-1".to_owned()) };
    assert_eq!(records.find(&ours, soon()).await.unwrap(), Some(again));
    assert_eq!(records.find(&key(user, "cancel", 1), soon()).await.unwrap(), None);
    assert_eq!(records.find(&key(UserId::new(), "pay", 1), soon()).await.unwrap(), None);
    let other_body = records.find(&key(user, "pay", 2), soon()).await.unwrap_err();
    assert_eq!(other_body.reason(), Reason::IdempotencyKeyReused);
    let duplicate = record(&db, &ours, "second").await.unwrap_err();
    assert!(matches!(duplicate, TransactError::Refused(Conflict::Finished)));
}

/// Stops or continues replication from the primary. Concurrent tests wait for their majority meanwhile.
async fn pause_replication(mode: &str) {
    let hello = crate::connect("admin", "").await.database().run_command(doc! { "hello": 1 }).await.unwrap();
    let primary = hello.get_str("primary").unwrap();
    for host in hello.get_array("hosts").unwrap().iter().filter_map(Bson::as_str) {
        if host != primary {
            let uri = format!("mongodb://{host}/?directConnection=true");
            let member = Db::connect(&MongoConfig::new(uri, "admin"), &Shell::without_admin().tasks).await.unwrap();
            let command = doc! { "configureFailPoint": "rsSyncApplyStop", "mode": mode };
            member.database().run_command(command).await.unwrap();
        }
    }
}

/// A snapshot can contain the record of a duplicate before a majority has it; lookups read majority-committed data.
#[tokio::test]
async fn a_request_that_conflicts_with_a_finished_duplicate_finds_its_answer() {
    let db = database("idempotency_majority").await;
    let records = Records::<String>::new(&db);
    let ours = key(UserId::new(), "pay", 1);
    pause_replication("alwaysOn").await;
    let mut first = tokio::task::JoinSet::new();
    first.spawn({
        let (db, ours) = (db.clone(), ours.clone());
        async move { record(&db, &ours, "first").await }
    });
    // Committed on the primary only.
    let on_primary = db.collection::<Document>(Policy::Log, "idempotency_keys");
    let visible = async { while on_primary.find_one(doc! {}).await.unwrap().is_none() {} };
    soon().bound(visible).await.unwrap();
    let duplicate = async {
        let refused = record(&db, &ours, "second").await;
        (refused, records.find(&ours, soon()).await.unwrap())
    };
    tokio::pin!(duplicate);
    let early = tokio::time::timeout(Duration::from_millis(200), &mut duplicate).await;
    pause_replication("off").await;
    assert!(early.is_err(), "refused for something that may still be rolled back: {early:?}");
    let (refused, found) = duplicate.await;
    assert!(matches!(refused, Err(TransactError::Refused(Conflict::Finished))));
    assert!(found.is_some());
    first.join_all().await.into_iter().for_each(Result::unwrap);
}

#[tokio::test]
async fn a_concurrent_duplicate_is_rejected() {
    let db = database("idempotency_duplicate").await;
    let ours = key(UserId::new(), "pay", 1);
    let (begun, first_has_begun) = oneshot::channel();
    let (duplicate_is_done, go_on) = oneshot::channel::<()>();
    let (records, first_key) = (Records::<String>::new(&db), ours.clone());
    let mut steps = Some((begun, go_on));
    let first = db.transact(soon(), move |session| {
        let (records, key, steps) = (records.clone(), first_key.clone(), steps.take());
        async move {
            records.record::<Conflict>(session, &key, "r-1", &"first".to_owned()).await?;
            let (begun, go_on) = steps.unwrap();
            begun.send(()).unwrap();
            go_on.await.unwrap();
            Ok(())
        }
        .boxed()
    });
    let duplicate = async {
        first_has_begun.await.unwrap();
        let refused = record(&db, &ours, "second").await.unwrap_err();
        duplicate_is_done.send(()).unwrap();
        refused
    };
    let (first, duplicate) = futures::join!(first, duplicate);
    first.unwrap();
    assert!(matches!(duplicate, TransactError::Refused(Conflict::InFlight)), "{duplicate:?}");
}
