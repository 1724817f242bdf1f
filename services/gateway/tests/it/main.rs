//! The gateway over real sockets, with fake services.

// Clippy does not recognize helpers outside of test functions as test code.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod authentication;
mod bodies;
mod browser;
mod cache;
mod conditions;
mod envelope;
mod idempotency;
mod lifecycle;
mod limits;
mod overload;
mod placement;
mod reconciliations;
mod retries;
mod statements;
mod support;
mod upstream;
