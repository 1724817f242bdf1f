//! The database layer on a real replica set.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure ends the test

mod idempotency;
mod lease;
mod migration;
mod transaction;

use std::time::Duration;

use mongo::{Db, MongoConfig};
use service::{Deadline, Shell};

/// A new database for a test.
async fn database(test: &str) -> Db {
    connect(&devstack::testing::database_name(test), "").await
}

/// A connection with these options.
async fn connect(database: &str, options: &str) -> Db {
    let backing = devstack::testing::backing().await;
    let config = MongoConfig::new(format!("{}{options}", backing.mongo_uri()), database);
    Db::connect(&config, &Shell::without_admin().tasks).await.unwrap()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}
