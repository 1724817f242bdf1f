//! Versioned migrations, applied once each, in order, under a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::{Collection, Database};
use service::{Deadline, Shell};

use crate::{Db, Error, Lease, MongoConfig, Policy, bounded};

const COLLECTION: &str = "migrations";
/// The lock expires this long after its last renewal; it is renewed before each migration.
const LOCK_TTL: Duration = Duration::from_secs(60);
/// The period of attempts to take the lock while another process holds it.
const LOCK_POLL: Duration = Duration::from_millis(200);
/// The time limit of the `migrate` command, including waits for other processes.
const RUN_TIMEOUT: Duration = Duration::from_secs(300);
/// The period of readiness checks.
const CHECK_PERIOD: Duration = Duration::from_secs(2);

/// A step of a schema. Released steps never change; new ones are added.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// The owner of the schema; each component has its own versions.
    pub component: &'static str,
    /// Counts from 1 without gaps.
    pub version: u32,
    /// A description, for the log.
    pub name: &'static str,
    /// Applies the step. It must be idempotent, since it is repeated after a crash half-way.
    pub up: for<'a> fn(&'a Database) -> BoxFuture<'a, mongodb::error::Result<()>>,
}

impl Migration {
    fn id(&self) -> String {
        format!("{}/{:04}", self.component, self.version)
    }
}

/// The `migrate` command of a service: connects, and applies the pending migrations. At most 300 s.
pub async fn run(config: &MongoConfig, migrations: &[Migration]) -> Result<(), Error> {
    let tasks = Shell::without_admin().tasks;
    let db = Db::connect(config, &tasks).await?;
    migrate(&db, migrations, Deadline::after(RUN_TIMEOUT)).await?;
    tasks.finished().await;
    Ok(())
}

/// Applies the pending migrations, and returns their number. Waits for another process that is migrating, until the
/// deadline.
pub async fn migrate(db: &Db, migrations: &[Migration], deadline: Deadline) -> Result<usize, Error> {
    let mut lock = Lease::new(db, "migrations", LOCK_TTL);
    while !lock.hold(deadline).await? {
        deadline.bound(tokio::time::sleep(LOCK_POLL)).await?;
    }
    let applied = apply(db, migrations, &mut lock, deadline).await;
    lock.release(deadline).await?;
    applied
}

/// The migrations that have not been applied yet.
pub async fn pending(db: &Db, migrations: &[Migration], deadline: Deadline) -> Result<Vec<Migration>, Error> {
    let records = records(db);
    let ids: Vec<String> = migrations.iter().map(Migration::id).collect();
    let filter = doc! { "_id": { "$in": &ids } };
    let mut cursor = bounded(deadline, |left| records.find(filter).max_time(left)).await?;
    let mut applied = Vec::new();
    while bounded(deadline, |_| cursor.advance()).await? {
        applied.push(cursor.current().get_str("_id").unwrap_or_default().to_owned());
    }
    Ok(migrations.iter().filter(|migration| !applied.contains(&migration.id())).copied().collect())
}

/// Makes the process ready only while the database answers, and once all of these migrations have been applied.
pub fn watch(shell: &Shell, db: &Db, migrations: &'static [Migration]) {
    let db = db.clone();
    let migrated = Arc::new(AtomicBool::new(false));
    shell.readiness.watch(&shell.tasks, "mongo", CHECK_PERIOD, move || {
        let (db, migrated) = (db.clone(), Arc::clone(&migrated));
        async move {
            if migrated.load(Ordering::Relaxed) {
                return db.ping().await;
            }
            match pending(&db, migrations, Deadline::after(CHECK_PERIOD)).await?.first() {
                Some(first) => Err(Error::SchemaBehind(first.id())),
                None => {
                    migrated.store(true, Ordering::Relaxed);
                    Ok(())
                }
            }
        }
    });
}

async fn apply(db: &Db, migrations: &[Migration], lock: &mut Lease, deadline: Deadline) -> Result<usize, Error> {
    let pending = pending(db, migrations, deadline).await?;
    let records = records(db);
    for migration in &pending {
        lock.hold(deadline).await?;
        bounded(deadline, |_| (migration.up)(db.database())).await?;
        let record = doc! { "_id": migration.id(), "name": migration.name, "appliedAt": DateTime::now() };
        bounded(deadline, |_| records.insert_one(record)).await?;
        tracing::info!(component = migration.component, version = migration.version, name = migration.name, "migrated");
    }
    Ok(pending.len())
}

fn records(db: &Db) -> Collection<Document> {
    db.collection(Policy::Ledger, COLLECTION)
}
