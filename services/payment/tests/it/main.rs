//! The payment service over gRPC, with a real MongoDB, and the card sandbox over a real socket.

// Helpers are test code too; clippy recognizes only functions marked as tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod balance_payments;
mod card_payments;
mod queries;
mod resolver;
mod sandbox;
mod world;
