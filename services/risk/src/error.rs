//! What can go wrong in the risk service, and what the caller learns of it.

use envelope::{Error, Reason};

use crate::domain::InvalidRules;

/// A failure of a use case.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RiskError {
    #[error("no rules have been read yet")]
    NoRules,
    #[error(transparent)]
    InvalidRules(#[from] InvalidRules),
    #[error("the rules are of another version by now")]
    VersionMismatch,
    #[error(transparent)]
    Store(#[from] mongo::Error),
    /// From a part that already speaks the envelope: identity.
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
