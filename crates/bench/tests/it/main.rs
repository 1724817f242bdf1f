//! The real data, a stub of the gateway, and a benchmark on a stack of its own.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod completejourney;
mod gateway;
mod orders;
mod replay;
