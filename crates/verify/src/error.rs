//! Why a check ends without a verdict.

/// Why the books could not be checked. It says nothing about whether they are right.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The database is not one of the platform's, or was not migrated.
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
