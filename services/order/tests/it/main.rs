//! The order service over gRPC: its commit lanes on a real MongoDB, with the server's own fail points, one replica or
//! several. Small services stand in for inventory, risk and payment.

// Helpers count as tests too; clippy knows only functions marked as such.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod expiry;
mod fail_point;
mod failures;
mod fences;
mod idempotency;
mod meters;
mod overload;
mod payment_service;
mod payments;
mod prices;
mod refusals;
mod replicas;
mod risk;
mod risk_service;
mod sold_out;
mod unknown_commits;
mod world;
