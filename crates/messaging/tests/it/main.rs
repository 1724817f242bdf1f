//! Events on a real replica set and a real broker.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test stops where it fails

mod broker_lost;
mod consumer;
mod dead_letters;
mod outbox;
mod reader;
mod world;
