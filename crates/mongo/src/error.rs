//! Database errors, classified by what the caller can do about them.

use mongodb::error::{
    Error as DriverError, ErrorKind, RETRYABLE_WRITE_ERROR, TRANSIENT_TRANSACTION_ERROR, WriteFailure,
};

use crate::convert::ConvertError;

/// A failure of the database.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The caller's deadline passed; a write outside a transaction may or may not have been applied.
    #[error("the deadline passed during a database operation")]
    Deadline(#[source] Option<DriverError>),
    /// The database is temporarily unavailable; nothing was written, and a retry makes sense.
    #[error("the database is unavailable")]
    Unavailable(#[source] DriverError),
    /// A commit was sent and its outcome is unknown: look its effect up.
    #[error("the outcome of a commit is unknown")]
    OutcomeUnknown(#[source] Option<DriverError>),
    /// The operation or the data is invalid: an internal error.
    #[error("a database operation failed")]
    Failed(#[source] DriverError),
    /// A stored document is not valid.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// A migration has not been applied: run the service's `migrate` command.
    #[error("the migration {0} has not been applied")]
    SchemaBehind(String),
    /// A transaction body panicked.
    #[error("a transaction panicked")]
    Panicked,
}

/// Server codes of temporary failures: no primary, shutdown, step-down, unreachable, write concern not met in time.
const UNAVAILABLE_CODES: [i32; 14] = [6, 7, 64, 89, 91, 100, 112, 133, 189, 9001, 10107, 11600, 11602, 13435];
/// Server codes of an exceeded time limit.
const DEADLINE_CODES: [i32; 2] = [50, 262];
const DUPLICATE_KEY: i32 = 11000;
const WRITE_CONFLICT: i32 = 112;

impl From<DriverError> for Error {
    fn from(error: DriverError) -> Self {
        let code = code(&error);
        if code.is_some_and(|code| DEADLINE_CODES.contains(&code)) {
            return Self::Deadline(Some(error));
        }
        let is_temporary = matches!(
            *error.kind,
            ErrorKind::ServerSelection { .. } | ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. }
        ) || code.is_some_and(|code| UNAVAILABLE_CODES.contains(&code))
            || error.contains_label(RETRYABLE_WRITE_ERROR)
            || error.contains_label(TRANSIENT_TRANSACTION_ERROR);
        if is_temporary { Self::Unavailable(error) } else { Self::Failed(error) }
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

/// The name of the unique index that a write violated, if that is the error.
pub fn duplicate_key_index(error: &DriverError) -> Option<String> {
    let message = match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(write)) if write.code == DUPLICATE_KEY => &write.message,
        ErrorKind::InsertMany(many) => {
            &many.write_errors.as_ref()?.iter().find(|write| write.code == DUPLICATE_KEY)?.message
        }
        ErrorKind::Command(command) if command.code == DUPLICATE_KEY => &command.message,
        _ => return None,
    };
    // The server names the index only in its message: `… index: NAME dup key: …`.
    let name = message.split("index: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    Some(name.unwrap_or_default().to_owned())
}

/// Whether a write in a transaction conflicts with another open transaction.
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
