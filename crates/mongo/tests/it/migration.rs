//! Migrations.

use futures::FutureExt as _;
use mongo::migration::{Migration, migrate, pending};
use mongo::{Policy, schema};
use mongodb::bson::{Document, doc};

use crate::{database, soon};

/// Each run leaves a mark, so that repeated runs are detected.
const STEPS: &[Migration] = &[
    Migration {
        component: "test",
        version: 1,
        name: "a collection with a validator",
        up: |database| {
            async move {
                let schema = doc! { "bsonType": "object", "required": ["n"], "properties": { "n": { "minimum": 0 } } };
                schema::collection(database, "things", schema).await?;
                schema::indexes(database, "things", [schema::unique("by_n", doc! { "n": 1 })]).await
            }
            .boxed()
        },
    },
    Migration {
        component: "test",
        version: 2,
        name: "a mark",
        up: |database| {
            async move {
                let mark = doc! { "insert": "marks", "documents": [{ "done": true }] };
                database.run_command(mark).await.map(drop)
            }
            .boxed()
        },
    },
];

#[tokio::test]
async fn concurrent_processes_apply_each_step_once() {
    let db = database("migrations").await;
    assert_eq!(pending(&db, STEPS, soon()).await.unwrap().len(), 2);
    let applied = futures::future::join_all((0..8).map(|_| migrate(&db, STEPS, soon()))).await;
    let applied: usize = applied.into_iter().map(Result::unwrap).sum();
    assert_eq!(applied, STEPS.len());
    assert!(pending(&db, STEPS, soon()).await.unwrap().is_empty());
    let marks = db.collection::<Document>(Policy::Ledger, "marks").count_documents(doc! {}).await.unwrap();
    assert_eq!(marks, 1);
}

#[tokio::test]
async fn an_interrupted_step_is_repeated() {
    let db = database("migrations_again").await;
    // As after a crash between the step and its record.
    (STEPS[0].up)(db.database()).await.unwrap();
    assert_eq!(migrate(&db, STEPS, soon()).await.unwrap(), 2);
    let things = db.collection::<Document>(Policy::Ledger, "things");
    assert!(things.insert_one(doc! { "n": -1 }).await.is_err());
    things.insert_one(doc! { "n": 1 }).await.unwrap();
    let twice = things.insert_one(doc! { "n": 1 }).await.unwrap_err();
    assert_eq!(mongo::duplicate_key_index(&twice).as_deref(), Some("by_n"));
}
