//! The risk service over gRPC, on a real MongoDB and a real broker.

// Helpers count as tests too; clippy knows only functions marked as such.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod reviews;
mod rules;
mod velocity;
mod verdicts;
mod world;
