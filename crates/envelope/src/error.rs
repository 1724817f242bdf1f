//! The error that crosses process boundaries.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Reason;

/// A failure as the caller may see it, with the cause that only the log sees.
pub struct Error {
    pub(crate) reason: Reason,
    pub(crate) message: Cow<'static, str>,
    pub(crate) details: Vec<Detail>,
    pub(crate) retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// A fact about a failure that a client can act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Detail {
    /// A field with a value that is not allowed.
    Field {
        /// The path of the field in the body, such as `lines[2].quantity`, or the parameter's or header's name.
        field: String,
        /// What the field must be.
        description: String,
    },
    /// A SKU with less stock than asked for.
    Stock {
        /// The SKU.
        sku: String,
        /// Pieces asked for.
        requested: u64,
        /// Pieces there.
        available: u64,
    },
    /// A SKU that is not in the catalogue.
    UnknownSku {
        /// The SKU.
        sku: String,
    },
}

impl Error {
    /// A failure with a message for people; it must hold nothing internal.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, message: message.into(), details: Vec::new(), retry_after: None, source: None }
    }

    /// `VALIDATION_FAILED` for one field.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::new(Reason::ValidationFailed, "a field is not valid")
            .with_detail(Detail::Field { field: field.into(), description: description.into() })
    }

    /// A fault of ours: the caller learns nothing but that, the log gets the cause.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Reason::Internal, "an internal error occurred").with_source(source)
    }

    /// Something needed is away for the moment; the log gets the cause.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Reason::Unavailable, "the service is temporarily unavailable")
            .with_retry_after(Duration::from_secs(1))
            .with_source(source)
    }

    /// The request's time ran out.
    pub fn deadline_exceeded() -> Self {
        Self::new(Reason::DeadlineExceeded, "the time for the request ran out")
    }

    /// The same with one more detail.
    #[must_use]
    pub fn with_detail(mut self, detail: Detail) -> Self {
        self.details.push(detail);
        self
    }

    /// The same with these details.
    #[must_use]
    pub fn with_details(mut self, details: impl IntoIterator<Item = Detail>) -> Self {
        self.details.extend(details);
        self
    }

    /// The same with the time after which trying again makes sense; whole seconds, rounded up, on the wire.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The same with its cause, for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Why the request failed.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The message for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What a client can act on.
    pub fn details(&self) -> &[Detail] {
        &self.details
    }

    /// When trying again makes sense.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// `Retry-After` in whole seconds, rounded up, at least 1.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(|after| (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1))
    }

    /// Whether it is our side that failed, so that somebody has to look.
    pub fn is_server_fault(&self) -> bool {
        self.reason.http_status().is_server_error()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.name(), self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("reason", &self.reason)
            .field("message", &self.message)
            .field("details", &self.details)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
