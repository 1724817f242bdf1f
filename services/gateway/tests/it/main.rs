//! The gateway over real sockets, in front of small stand-ins of the services.

// The helpers stand outside of test functions, where clippy does not know them for tests.
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
