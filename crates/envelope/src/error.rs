//! The error that crosses process boundaries.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Reason;

/// A failure as the caller sees it, and its cause, which only the log shows.
pub struct Error {
    pub(crate) reason: Reason,
    pub(crate) message: Cow<'static, str>,
    pub(crate) details: Vec<Detail>,
    pub(crate) retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// A detail of a failure that a client can act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Detail {
    /// A field with an invalid value.
    Field {
        /// The path of the field in the body, such as `lines[2].quantity`, or the name of the parameter or header.
        field: String,
        /// The constraint that the value violates.
        description: String,
    },
    /// A SKU with less stock than requested.
    Stock {
        /// The SKU.
        sku: String,
        /// Pieces requested.
        requested: u64,
        /// Pieces available.
        available: u64,
    },
    /// A SKU that is not in the catalogue.
    UnknownSku {
        /// The SKU.
        sku: String,
    },
}

impl Error {
    /// A failure with a message for people; the message must not expose internal details.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, message: message.into(), details: Vec::new(), retry_after: None, source: None }
    }

    /// `VALIDATION_FAILED` for one field.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::new(Reason::ValidationFailed, "a field is not valid")
            .with_detail(Detail::Field { field: field.into(), description: description.into() })
    }

    /// An internal error. The caller sees no more than that; the log shows the cause.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Reason::Internal, "an internal error occurred").with_source(source)
    }

    /// A dependency is temporarily unavailable. The log shows the cause.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Reason::Unavailable, "the service is temporarily unavailable")
            .with_retry_after(Duration::from_secs(1))
            .with_source(source)
    }

    /// The request exceeded its deadline.
    pub fn deadline_exceeded() -> Self {
        Self::new(Reason::DeadlineExceeded, "the request exceeded its deadline")
    }

    /// Adds a detail.
    #[must_use]
    pub fn with_detail(mut self, detail: Detail) -> Self {
        self.details.push(detail);
        self
    }

    /// Adds details.
    #[must_use]
    pub fn with_details(mut self, details: impl IntoIterator<Item = Detail>) -> Self {
        self.details.extend(details);
        self
    }

    /// Sets the time after which the client may retry; in HTTP, whole seconds, rounded up.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Sets the cause, for the log.
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

    /// The details that a client can act on.
    pub fn details(&self) -> &[Detail] {
        &self.details
    }

    /// The time after which the client may retry.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// `Retry-After` in whole seconds, rounded up, at least 1.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(|after| (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1))
    }

    /// Whether the server is at fault, so that operators must look into it.
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
