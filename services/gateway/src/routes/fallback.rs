//! The handlers of requests without an endpoint.

use crate::refusal::{self, Refusal};

/// `METHOD_NOT_ALLOWED`.
pub(super) async fn other_method() -> Result<&'static str, Refusal> {
    Err(refusal::method_not_allowed().into())
}

/// `NOT_FOUND`.
pub(super) async fn unknown_path() -> Result<&'static str, Refusal> {
    Err(refusal::not_found().into())
}
