//! The platform as its users meet it: over REST, with every service a process and MongoDB a real replica set.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops where it fails

mod access;
mod bad_input;
mod degradation;
mod events;
mod expiry;
mod flash_sale;
mod idempotency;
mod logs;
mod metrics;
mod mutual_tls;
mod payments;
mod queries;
mod reconciliation;
mod replicas;
mod risk;
mod story;
mod traces;
