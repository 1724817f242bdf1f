//! Failures of the user service, and their form for callers.

use std::error::Error as StdError;
use std::time::Duration;

use envelope::{Detail, Error, Reason};
use service::Expired;

use crate::domain::{LoginRefusal, VersionMismatch, Violation};

/// When the queue of password hashing is likely to have room again.
const OVERLOADED_RETRY_AFTER: Duration = Duration::from_secs(1);

/// A failure of a use case.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    #[error("the request is not valid")]
    Invalid(Vec<Violation>),
    #[error("the email is taken")]
    EmailTaken,
    #[error("no user has this id")]
    NotFound,
    #[error("the caller may not see this user")]
    Forbidden,
    #[error(transparent)]
    VersionMismatch(#[from] VersionMismatch),
    #[error(transparent)]
    LoginRefused(#[from] LoginRefusal),
    /// The refresh token is unknown, used, expired, or of a session that has ended.
    #[error("the refresh token is not valid")]
    RefreshRefused,
    #[error("the queue of password hashing is full")]
    Overloaded,
    #[error(transparent)]
    Expired(#[from] Expired),
    #[error("an internal error")]
    Internal(#[source] Box<dyn StdError + Send + Sync>),
    #[error(transparent)]
    Store(#[from] mongo::Error),
    /// From a part that already returns envelope errors: page tokens, identity.
    #[error(transparent)]
    Envelope(#[from] Error),
}

impl UserError {
    pub(crate) fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }
}

impl From<UserError> for Error {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Invalid(violations) => {
                let details = violations.into_iter().map(|violation| Detail::Field {
                    field: violation.field.to_owned(),
                    description: violation.description.to_owned(),
                });
                Self::new(Reason::ValidationFailed, "the request is not valid").with_details(details)
            }
            UserError::EmailTaken => Self::new(Reason::AlreadyExists, "a user with this email exists"),
            UserError::NotFound => Self::new(Reason::NotFound, "no user has this id"),
            UserError::Forbidden => Self::new(Reason::Forbidden, "you may not see this user"),
            UserError::VersionMismatch(_) => {
                Self::new(Reason::VersionMismatch, "the user has changed since that version")
            }
            UserError::LoginRefused(LoginRefusal::BadCredentials) => {
                Self::new(Reason::BadCredentials, "the email or the password is wrong")
            }
            UserError::LoginRefused(LoginRefusal::TooManyFailures { retry_after }) => {
                Self::new(Reason::RateLimited, "too many failed logins; try again later").with_retry_after(retry_after)
            }
            UserError::RefreshRefused => {
                Self::new(Reason::Unauthenticated, "the refresh token is not valid; log in again")
            }
            UserError::Overloaded => Self::new(Reason::Overloaded, "too many requests at once; try again")
                .with_retry_after(OVERLOADED_RETRY_AFTER),
            UserError::Expired(expired) => expired.into(),
            UserError::Internal(source) => Self::internal(source),
            UserError::Store(error) => error.into(),
            UserError::Envelope(error) => error,
        }
    }
}

impl From<mongo::TransactError<UserError>> for UserError {
    fn from(error: mongo::TransactError<UserError>) -> Self {
        match error {
            mongo::TransactError::Refused(refusal) => refusal,
            mongo::TransactError::Store(error) => Self::Store(error),
        }
    }
}
