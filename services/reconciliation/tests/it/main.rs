//! Statements on a real MongoDB, and over gRPC.

// Helpers count as tests too; clippy knows only functions marked as such.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api;
mod audit;
mod statements;
mod world;
