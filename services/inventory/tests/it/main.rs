//! Tests of the inventory service over gRPC, with a real MongoDB and a real broker.

// clippy exempts only functions marked as tests, but helpers are part of tests, too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod catalogue;
mod stock;
mod world;
