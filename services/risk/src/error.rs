//! The failures of the risk service, and the errors that callers see.

use envelope::{Error, Reason};

use crate::domain::InvalidRules;

/// A failure of a use case.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RiskError {
    #[error("no rules have been read yet")]
    NoRules,
    #[error(transparent)]
    InvalidRules(#[from] InvalidRules),
    #[error("the rules have changed since that version")]
    VersionMismatch,
    #[error(transparent)]
    Store(#[from] mongo::Error),
    /// An error that is an envelope already, such as one about the caller's identity.
    #[error(transparent)]
    Envelope(#[from] Error),
}

impl From<RiskError> for Error {
    fn from(error: RiskError) -> Self {
        match error {
            RiskError::NoRules => Self::unavailable(error),
            RiskError::InvalidRules(InvalidRules { field, rule }) => Self::invalid(field, rule),
            RiskError::VersionMismatch => {
                Self::new(Reason::VersionMismatch, "the rules have changed since that version")
            }
            RiskError::Store(error) => error.into(),
            RiskError::Envelope(error) => error,
        }
    }
}
