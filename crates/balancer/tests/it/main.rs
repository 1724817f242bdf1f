//! The channel over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test stops where it fails

mod dns;
mod edges;
mod failures;
mod strategies;
mod support;
mod tls;
