//! Books that are being written to are right at every moment.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use devstack::scratch::Scratch;
use devstack::testing::backing;
use devstack::{Backing, BackingOptions, Progress};
use futures::FutureExt as _;
use mongo::{Abort, Db, MongoConfig, Policy, to_bson_uuid};
use mongodb::bson::{Document, doc};
use primitives::{OrderId, Quantity, Sku};
use service::{Deadline, OnFailure, Tasks};
use stock::{Ledger, Posting};
use tokio_util::sync::CancellationToken;
use verify::{VerifyError, verify};

use crate::books::{Batch, Books};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_system_is_compared_as_of_one_moment() {
    let books = Books::write("live").await;
    let tasks = keep_ordering(backing().await.mongo_uri(), &books).await;
    let mut orders = Vec::new();
    // Until they were right at four moments with different numbers of orders.
    let watched = tokio::time::timeout(Duration::from_secs(60), async {
        while orders.len() < 4 {
            let report = verify(&books.database).await.unwrap();
            assert!(report.is_clean(), "{report}");
            let pending = report.counted.orders["pending_payment"];
            if orders.last() != Some(&pending) {
                orders.push(pending);
            }
        }
    });
    watched.await.unwrap();
    tasks.stop_signal().cancel();
    tasks.finished().await;
    assert!(!tasks.have_failed() && orders.is_sorted(), "{orders:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_the_server_has_dropped_is_an_error() {
    let scratch = Scratch::create().unwrap();
    let own = Backing::start(BackingOptions::for_tests(scratch.path()), &Progress::silent()).await.unwrap();
    for node in own.mongods() {
        let forget = doc! { "setParameter": 1, "minSnapshotHistoryWindowInSeconds": 0 };
        node.direct().unwrap().admin(forget).await.unwrap();
    }
    let books = Books::write_to(&own.mongo_uri(), "forgotten").await;
    let tasks = keep_ordering(&own.mongo_uri(), &books).await;
    let too_old = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            match verify(&books.database).await {
                Ok(report) => assert!(report.is_clean(), "{report}"),
                Err(error) => return error,
            }
        }
    });
    let error = too_old.await.unwrap();
    assert!(matches!(error, VerifyError::TooOld(_)), "{error:?}");
    tasks.stop_signal().cancel();
    tasks.finished().await;
    own.stop().await.unwrap();
}

/// Places batches of orders until the tasks are stopped.
async fn keep_ordering(uri: &str, books: &Books) -> Tasks {
    let tasks = Tasks::new(CancellationToken::new());
    let db = Db::connect(&MongoConfig::new(uri, books.database.name()), &tasks).await.unwrap();
    let stop = tasks.stop_signal();
    let template = books.order(books.pending, "pending_payment", Batch::new().took(), Document::new());
    tasks.spawn("orders", OnFailure::Stop, async move {
        while !stop.is_cancelled() {
            place(&db, &template).await;
        }
        Ok::<_, Infallible>(())
    });
    tasks
}

/// Places three orders of 1 a as the order service does: orders, counter and the movement that they share in one
/// transaction.
async fn place(db: &Db, template: &Document) {
    let lines = BTreeMap::from([("a".parse::<Sku>().unwrap(), Quantity::try_from(1).unwrap())]);
    let mut posting = Posting::new(primitives::now());
    let orders: Vec<_> = (0..3)
        .map(|_| {
            let id = OrderId::new();
            let taken_by = to_bson_uuid(posting.take(id, &lines)[0].as_uuid());
            let mut order = template.clone();
            order.insert("_id", to_bson_uuid(id.as_uuid()));
            order.insert("idempotencyKey", id.to_string());
            order.insert("total", 0_i64);
            let line = doc! {
                "sku": "a", "quantity": 1, "unitPrice": 0_i64, "lineTotal": 0_i64, "takenBy": taken_by,
            };
            order.insert("lines", vec![line]);
            order
        })
        .collect();
    let (collection, ledger) = (db.collection::<Document>(Policy::Ledger, "orders"), Ledger::new(db));
    let placed = db.transact(Deadline::after(Duration::from_secs(10)), move |session| {
        let (orders, posting) = (orders.clone(), posting.clone());
        let (collection, ledger) = (collection.clone(), ledger.clone());
        async move {
            collection.insert_many(orders).session(&mut *session).await?;
            let is_covered = ledger.post(session, &posting).await?.is_some();
            if is_covered { Ok(()) } else { Err(Abort::Refused("the stock does not cover it")) }
        }
        .boxed()
    });
    placed.await.unwrap();
}
