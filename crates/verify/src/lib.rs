//! `nines verify`: checks the books from the database alone.
//!
//! Every query reads one and the same snapshot, so a live system is compared as of one moment. The server keeps a
//! snapshot for `minSnapshotHistoryWindowInSeconds`, 300 by default; a check that takes longer ends with
//! [`VerifyError::TooOld`] and says nothing about the books.
//!
//! The collections are read in order of the key that they are compared by, side by side. So the memory needed here does
//! not grow with the books: one order, SKU or movement, and one batch of 1,000 documents from each of up to three
//! cursors. MongoDB sorts and groups on disk beyond 100 MB.

mod accounts;
mod command;
mod cut;
mod documents;
mod findings;
mod keys;
mod movements;
mod orders;
mod payments;
mod report;
mod skus;

use std::time::{Duration, Instant};

use mongodb::Database;

pub use command::Verify;
pub use findings::{Check, Difference, Differences};
pub use report::{Counted, Report};

use cut::Cut;
use documents::{COLLECTIONS, Payment};
use findings::Findings;

/// How long a check may take. The snapshot is gone sooner unless the server was told to keep it.
const BOUND: Duration = Duration::from_secs(30 * 60);
/// How often a snapshot is asked for: just after a collection was made or changed there is none.
const SNAPSHOT_TRIES: u32 = 40;
const SNAPSHOT_WAIT: Duration = Duration::from_millis(250);

/// Why the books could not be checked; it says nothing about whether they are right.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// This is no database of the platform, or one that was not migrated.
    #[error("the database {database} has no collection {missing}: is it the right one, and was it migrated?")]
    NotOurs {
        /// The database.
        database: String,
        /// The first collection that is missing.
        missing: &'static str,
    },
    /// The check took longer than the server keeps a snapshot.
    #[error(
        "the check took longer than the server keeps a snapshot; raise minSnapshotHistoryWindowInSeconds (300 by \
         default) on every member, or check a copy"
    )]
    TooOld(#[source] mongodb::error::Error),
    /// The server has no snapshot to read from.
    #[error("the server has no snapshot to read from")]
    NoSnapshot(#[source] mongodb::error::Error),
    /// The database can't be read.
    #[error("the database can't be read")]
    Database(#[source] mongodb::error::Error),
    /// The check took too long.
    #[error("the check did not end within 30 minutes")]
    TimedOut,
}

impl From<mongodb::error::Error> for VerifyError {
    fn from(error: mongodb::error::Error) -> Self {
        const SNAPSHOT_TOO_OLD: i32 = 239;
        const SNAPSHOT_UNAVAILABLE: i32 = 246;
        match &*error.kind {
            mongodb::error::ErrorKind::Command(command) if command.code == SNAPSHOT_TOO_OLD => Self::TooOld(error),
            mongodb::error::ErrorKind::Command(command) if command.code == SNAPSHOT_UNAVAILABLE => {
                Self::NoSnapshot(error)
            }
            _ => Self::Database(error),
        }
    }
}

/// Checks the books of a database as of one moment.
///
/// # Errors
/// When they could not be checked, within 30 minutes; that they are wrong is no error but a report that is not
/// [`Report::is_clean`].
pub async fn verify(database: &Database) -> Result<Report, VerifyError> {
    let checked = tokio::time::timeout(BOUND, async {
        require_collections(database).await?;
        let mut tries = 1;
        loop {
            match verify_once(database).await {
                Err(VerifyError::NoSnapshot(_)) if tries < SNAPSHOT_TRIES => tries += 1,
                checked => return checked,
            }
            tokio::time::sleep(SNAPSHOT_WAIT).await;
        }
    });
    checked.await.map_err(|_elapsed| VerifyError::TimedOut)?
}

/// An empty or misspelt database would have perfect books.
async fn require_collections(database: &Database) -> Result<(), VerifyError> {
    let there = database.list_collection_names().await?;
    match COLLECTIONS.into_iter().find(|name| !there.iter().any(|there| there == name)) {
        Some(missing) => Err(VerifyError::NotOurs { database: database.name().to_owned(), missing }),
        None => Ok(()),
    }
}

async fn verify_once(database: &Database) -> Result<Report, VerifyError> {
    let started = Instant::now();
    let mut cut = Cut::open(database).await?;
    let mut findings = Findings::default();
    let mut counted = Counted::default();
    skus::check(&mut cut, &mut findings, &mut counted).await?;
    movements::check(&mut cut, &mut findings).await?;
    orders::check(&mut cut, &mut findings, &mut counted).await?;
    keys::check(&mut cut, &mut findings).await?;
    accounts::check(&mut cut, &mut findings, &mut counted).await?;
    counted.payments = cut.count_by_status::<Payment>().await?;
    findings.add_all(Check::Readable, cut.unreadable());
    Ok(Report::new(database.name(), cut.time(), started.elapsed(), counted, findings))
}
