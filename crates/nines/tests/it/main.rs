//! The commands on a real MongoDB and a real broker.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod dlt;
mod events;
