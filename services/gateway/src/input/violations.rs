//! The violations of a request, reported together.

use std::fmt::Display;

use envelope::{Detail, Error, Reason};

/// Collects violations.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<Detail>);

impl Violations {
    pub(crate) fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(Detail::Field { field: field.into(), description: description.into() });
    }

    /// The parsed value; adds a violation if parsing failed.
    pub(crate) fn take<T>(&mut self, field: impl Into<String>, parsed: Result<T, impl Display>) -> Option<T> {
        parsed.map_err(|error| self.add(field, error.to_string())).ok()
    }

    /// `VALIDATION_FAILED` with all violations.
    pub(crate) fn into_error(self) -> Error {
        Error::new(Reason::ValidationFailed, "the request is not valid").with_details(self.0)
    }

    /// An error if there is any violation.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(self.into_error()) }
    }
}
