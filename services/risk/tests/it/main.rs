//! Tests of the risk service over gRPC, with a real MongoDB and a real broker.

// clippy exempts only functions marked as tests, but helpers are part of tests, too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod reviews;
mod rules;
mod velocity;
mod verdicts;
mod world;
