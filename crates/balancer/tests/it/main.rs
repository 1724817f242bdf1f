//! The channel over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure ends the test

mod dns;
mod edges;
mod failures;
mod strategies;
mod support;
mod tls;
