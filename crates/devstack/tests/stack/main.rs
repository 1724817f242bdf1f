//! The local stack on real processes: replica set, broker, fail-over, restarts, process handling, faults.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod backing;
mod broker;
mod faults;
mod process;

use mongodb::Client;
use mongodb::bson::{Document, doc};

/// Inserts one document at majority, or returns the driver's error.
async fn insert(client: &Client, value: i32) -> mongodb::error::Result<Document> {
    let command = doc! {
        "insert": "things",
        "documents": [{ "value": value }],
        "writeConcern": { "w": "majority", "wtimeout": 5_000 },
    };
    client.database("devstack").run_command(command).await
}

/// The number of documents, read at majority.
async fn count(client: &Client) -> i32 {
    let command = doc! {
        "aggregate": "things",
        "pipeline": [{ "$count": "count" }],
        "cursor": {},
        "readConcern": { "level": "majority" },
    };
    let answer = client.database("devstack").run_command(command).await.unwrap();
    let batch = answer.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
    batch.first().map_or(0, |row| row.as_document().unwrap().get_i32("count").unwrap())
}
