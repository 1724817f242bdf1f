//! Checks the books from the database alone: stock, orders, accounts and payments. `nines verify`, the benchmarks and
//! the tests use it.
//!
//! All queries read the same snapshot, so a live system is compared as of one moment. The server keeps a snapshot for
//! `minSnapshotHistoryWindowInSeconds`, 300 by default; a check that takes longer ends with [`VerifyError::TooOld`].
//!
//! The collections are read side by side, each sorted by the key that they are compared by. So the memory does not grow
//! with the books: it holds one order, SKU or movement, and a batch of 1,000 documents from each of up to three
//! cursors. MongoDB sorts and groups on disk beyond 100 MB.

mod accounts;
mod cut;
mod documents;
mod error;
mod findings;
mod keys;
mod movements;
mod order_books;
mod orders;
mod payments;
mod report;
mod skus;

use std::time::{Duration, Instant};

use mongodb::Database;

pub use error::VerifyError;
pub use findings::{Check, Difference, Differences};
pub use report::{Counted, Report};

use cut::Cut;
use documents::{COLLECTIONS, Payment};
use findings::Findings;

/// How long a check may take. By default the server drops the snapshot sooner.
const BOUND: Duration = Duration::from_secs(30 * 60);
/// How often a snapshot is requested: just after a collection was created or changed there is none.
const SNAPSHOT_TRIES: u32 = 40;
const SNAPSHOT_WAIT: Duration = Duration::from_millis(250);

/// Checks the books of a database as of one moment.
///
/// # Errors
/// When the books could not be checked within 30 minutes. Wrong books are not an error: the report is then not
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

/// The books of an empty or misspelt database would look perfect.
async fn require_collections(database: &Database) -> Result<(), VerifyError> {
    let existing = database.list_collection_names().await?;
    match COLLECTIONS.into_iter().find(|name| !existing.iter().any(|existing| existing == name)) {
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
