//! The user service over gRPC, with a real replica set.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on fails, in its helpers too")]

mod audit;
mod bootstrap;
mod profiles;
mod queries;
mod registration;
mod sessions;
mod support;
mod throttle;
mod tokens;
