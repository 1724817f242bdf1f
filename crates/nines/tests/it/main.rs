//! The real data, a stub of the gateway, a real MongoDB and a real broker.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod bench;
mod books;
mod completejourney;
mod dlt;
mod events;
mod gateway;
mod replay;
mod verify;
mod verify_live;
mod verify_movements;
