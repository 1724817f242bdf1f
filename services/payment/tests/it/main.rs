//! The payment service over gRPC, on a real MongoDB and against the card sandbox over a real socket.

// Helpers count as tests too; clippy knows only functions marked as such.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod balance_payments;
mod card_payments;
mod queries;
mod resolver;
mod sandbox;
mod world;
