//! The transaction loop, with fail points of the server. They are limited to one application name, so that they do not
//! affect concurrent tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use mongo::{Abort, Db, Error, Policy, TransactError};
use mongodb::bson::{Document, doc};
use service::Deadline;
use tokio::sync::{Mutex, oneshot};

use crate::{connect, soon};

/// A new database, with a client of its own application name for fail points.
async fn named(test: &str) -> (Db, String) {
    let name = devstack::testing::database_name(test);
    let db = connect(&name, &format!("&appName={name}")).await;
    db.collection::<Document>(Policy::Ledger, "things").insert_one(doc! { "_id": "first" }).await.unwrap();
    (db, name)
}

/// The server has one fail point for commands, so tests that set it take turns.
static FAIL_POINT: Mutex<()> = Mutex::const_new(());

async fn fail(app: &str, mode: Document, mut data: Document) {
    data.insert("appName", app);
    let mode = mode.get("mode").unwrap().clone();
    let command = doc! { "configureFailPoint": "failCommand", "mode": mode, "data": data };
    let admin = connect("admin", "").await;
    admin.database().run_command(command).await.unwrap();
}

fn times(times: i32) -> Document {
    doc! { "mode": { "times": times } }
}

/// Inserts one document in a transaction, and returns how often the body ran.
async fn insert(db: &Db, deadline: Deadline) -> (Result<(), TransactError<()>>, u32) {
    let runs = Arc::new(AtomicU32::new(0));
    let things = db.collection::<Document>(Policy::Ledger, "things");
    let counter = Arc::clone(&runs);
    let result = db.transact(deadline, move |session| {
        let (things, counter) = (things.clone(), Arc::clone(&counter));
        async move {
            counter.fetch_add(1, Ordering::SeqCst);
            things.insert_one(doc! { "_id": "second" }).session(session).await?;
            Ok(())
        }
        .boxed()
    });
    (result.await, runs.load(Ordering::SeqCst))
}

async fn count(db: &Db) -> u64 {
    db.collection::<Document>(Policy::Ledger, "things").count_documents(doc! {}).await.unwrap()
}

#[tokio::test]
async fn a_refusal_writes_nothing() {
    let (db, _) = named("tx_refusal").await;
    let things = db.collection::<Document>(Policy::Ledger, "things");
    let refused = db.transact(soon(), move |session| {
        let things = things.clone();
        async move {
            things.insert_one(doc! { "_id": "second" }).session(session).await?;
            Err::<(), _>(Abort::Refused("no"))
        }
        .boxed()
    });
    assert!(matches!(refused.await, Err(TransactError::Refused("no"))));
    assert_eq!(count(&db).await, 1);
}

#[tokio::test]
async fn transient_failures_of_the_body_are_retried() {
    let (db, app) = named("tx_transient").await;
    let conflict = doc! { "failCommands": ["insert"], "errorCode": 112, "errorLabels": ["TransientTransactionError"] };
    let _turn = FAIL_POINT.lock().await;
    fail(&app, times(2), conflict).await;
    let (result, runs) = insert(&db, soon()).await;
    result.unwrap();
    assert_eq!(runs, 3);
    assert_eq!(count(&db).await, 2);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_applied_once() {
    for (test, data) in [
        ("tx_wce", doc! { "failCommands": ["commitTransaction"], "writeConcernError": { "code": 91, "errmsg": "x" } }),
        ("tx_closed", doc! { "failCommands": ["commitTransaction"], "closeConnection": true }),
    ] {
        let (db, app) = named(test).await;
        let _turn = FAIL_POINT.lock().await;
        fail(&app, times(3), data).await;
        let (result, runs) = insert(&db, soon()).await;
        result.unwrap();
        assert_eq!((test, runs), (test, 1));
        assert_eq!(count(&db).await, 2);
    }
}

#[tokio::test]
async fn an_unanswered_commit_is_reported_as_unknown() {
    let (db, app) = named("tx_unknown").await;
    let lost = doc! { "failCommands": ["commitTransaction"], "closeConnection": true };
    let _turn = FAIL_POINT.lock().await;
    fail(&app, doc! { "mode": "alwaysOn" }, lost).await;
    let (result, _) = insert(&db, Deadline::after(Duration::from_millis(500))).await;
    assert!(matches!(result, Err(TransactError::Store(Error::OutcomeUnknown(_)))), "{result:?}");
    fail(&app, doc! { "mode": "off" }, doc! {}).await;
}

#[tokio::test]
async fn the_deadline_bounds_the_retries() {
    let (db, app) = named("tx_deadline").await;
    let conflict = doc! { "failCommands": ["insert"], "errorCode": 112, "errorLabels": ["TransientTransactionError"] };
    let _turn = FAIL_POINT.lock().await;
    fail(&app, doc! { "mode": "alwaysOn" }, conflict).await;
    let (result, runs) = insert(&db, Deadline::after(Duration::from_secs(1))).await;
    assert!(matches!(result, Err(TransactError::Store(Error::Deadline(Some(_))))), "{result:?}");
    assert!(runs > 2, "{runs}");
    fail(&app, doc! { "mode": "off" }, doc! {}).await;
    assert_eq!(count(&db).await, 1);
    let (late, runs) = insert(&db, Deadline::after(Duration::ZERO)).await;
    assert!(late.is_err() && runs == 0);
}

#[tokio::test]
async fn a_dropped_request_does_not_interrupt_the_commit() {
    let (db, _) = named("tx_dropped").await;
    let (started, has_started) = tokio::sync::oneshot::channel();
    let mut started = Some(started);
    let things = db.collection::<Document>(Policy::Ledger, "things");
    let request = db.transact(soon(), move |session| {
        let (things, started) = (things.clone(), started.take());
        async move {
            things.insert_one(doc! { "_id": "second" }).session(session).await?;
            started.unwrap().send(()).unwrap();
            Ok::<_, Abort<()>>(())
        }
        .boxed()
    });
    {
        let mut request = Box::pin(request);
        tokio::select! {
            _ = &mut request => {}
            _ = has_started => {} // the request is dropped here, before its commit
        }
    }
    let committed = async {
        while count(&db).await != 2 {
            tokio::task::yield_now().await;
        }
    };
    soon().bound(committed).await.unwrap();
}

/// As after a killed process: its writes are uncommitted, its session is open, and no process continues it.
#[tokio::test]
async fn locks_of_a_dead_process_are_released_in_seconds() {
    let (db, name) = named("tx_abandoned").await;
    let things = db.collection::<Document>(Policy::Ledger, "things");
    let (locked, is_locked) = oneshot::channel();
    let (freed, is_freed) = oneshot::channel();
    let mut once = Some((locked, is_freed));
    let holding = things.clone();
    let dead = db.transact::<(), (), _>(Deadline::after(Duration::from_secs(600)), move |session| {
        let (things, once) = (holding.clone(), once.take());
        async move {
            // If it continues after all, it learns that it was ended, and would start over.
            let Some((locked, is_freed)) = once else { return Err(Abort::Refused(())) };
            things
                .update_one(doc! { "_id": "first" }, doc! { "$set": { "by": "dead" } })
                .session(&mut *session)
                .await?;
            locked.send(()).unwrap();
            is_freed.await.unwrap();
            things.update_one(doc! { "_id": "first" }, doc! { "$set": { "by": "dead" } }).session(session).await?;
            Ok(())
        }
        .boxed()
    });
    let other = async {
        is_locked.await.unwrap();
        let watching = connect(&name, &format!("&appName={name}")).await;
        watching.end_abandoned_transactions();
        let things = watching.collection::<Document>(Policy::Ledger, "things");
        let changed = watching.transact::<(), (), _>(Deadline::after(Duration::from_secs(20)), move |session| {
            let things = things.clone();
            async move {
                let change = doc! { "$set": { "by": "living" } };
                things.update_one(doc! { "_id": "first" }, change).session(session).await?;
                Ok(())
            }
            .boxed()
        });
        let changed = changed.await;
        freed.send(()).unwrap();
        changed
    };
    let (dead, other) = futures::join!(dead, other);
    other.unwrap();
    assert!(matches!(dead, Err(TransactError::Refused(()))));
    let left = things.find_one(doc! { "_id": "first" }).await.unwrap().unwrap();
    assert_eq!(left.get_str("by").unwrap(), "living");
}
