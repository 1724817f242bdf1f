//! What can go wrong with the database, sorted by what the caller can do about it.

use mongodb::error::{
    Error as DriverError, ErrorKind, RETRYABLE_WRITE_ERROR, TRANSIENT_TRANSACTION_ERROR, WriteFailure,
};

use crate::convert::ConvertError;

/// A failure of the database.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The caller's deadline passed; if it was a write outside a transaction, it may or may not have happened.
    #[error("the deadline passed during a database operation")]
    Deadline(#[source] Option<DriverError>),
    /// The database can't do it at present; nothing was written, and trying again makes sense.
    #[error("the database is unavailable")]
    Unavailable(#[source] DriverError),
    /// A transaction was sent to be committed and its outcome could not be learned: look the effect up.
    #[error("the outcome of a commit is unknown")]
    OutcomeUnknown(#[source] Option<DriverError>),
    /// The operation is wrong, or the data is: a fault of ours.
    #[error("a database operation failed")]
    Failed(#[source] DriverError),
    /// A stored document is not one that we write.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// A migration has not been applied yet: run the service's `migrate` command.
    #[error("the migration {0} has not been applied")]
    SchemaBehind(String),
    /// A transaction body panicked.
    #[error("a transaction panicked")]
    Panicked,
}

/// Server codes for "not now": no primary, shutting down, stepping down, unreachable, write concern not met in time.
const UNAVAILABLE_CODES: [i32; 14] = [6, 7, 64, 89, 91, 100, 112, 133, 189, 9001, 10107, 11600, 11602, 13435];
/// Server codes for "out of time".
const DEADLINE_CODES: [i32; 2] = [50, 262];
const DUPLICATE_KEY: i32 = 11000;
const WRITE_CONFLICT: i32 = 112;

impl From<DriverError> for Error {
    fn from(error: DriverError) -> Self {
        let code = code(&error);
        if code.is_some_and(|code| DEADLINE_CODES.contains(&code)) {
            return Self::Deadline(Some(error));
        }
        let not_now = matches!(
            *error.kind,
            ErrorKind::ServerSelection { .. } | ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. }
        ) || code.is_some_and(|code| UNAVAILABLE_CODES.contains(&code))
            || error.contains_label(RETRYABLE_WRITE_ERROR)
            || error.contains_label(TRANSIENT_TRANSACTION_ERROR);
        if not_now { Self::Unavailable(error) } else { Self::Failed(error) }
    }
}

impl From<service::Expired> for Error {
    fn from(_: service::Expired) -> Self {
        Self::Deadline(None)
    }
}

impl From<Error> for envelope::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Deadline(_) | Error::OutcomeUnknown(_) => Self::deadline_exceeded().with_source(error),
            Error::Unavailable(_) | Error::SchemaBehind(_) => Self::unavailable(error),
            Error::Failed(_) | Error::Convert(_) | Error::Panicked => Self::internal(error),
        }
    }
}

/// The name of the unique index that a write ran into, if that is what the error is.
pub fn duplicate_key_index(error: &DriverError) -> Option<String> {
    let message = match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(write)) if write.code == DUPLICATE_KEY => &write.message,
        ErrorKind::InsertMany(many) => {
            &many.write_errors.as_ref()?.iter().find(|write| write.code == DUPLICATE_KEY)?.message
        }
        ErrorKind::Command(command) if command.code == DUPLICATE_KEY => &command.message,
        _ => return None,
    };
    // The server gives the index only in its text: `… index: NAME dup key: …`.
    let name = message.split("index: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    Some(name.unwrap_or_default().to_owned())
}

/// Whether another transaction that is still open holds what a write in a transaction asked for.
pub(crate) fn is_write_conflict(error: &DriverError) -> bool {
    code(error) == Some(WRITE_CONFLICT)
}

fn code(error: &DriverError) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(command) => Some(command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => Some(concern.code),
        ErrorKind::InsertMany(many) => many
            .write_errors
            .as_ref()
            .and_then(|errors| errors.first().map(|write| write.code))
            .or_else(|| many.write_concern_error.as_ref().map(|concern| concern.code)),
        _ => None,
    }
}
