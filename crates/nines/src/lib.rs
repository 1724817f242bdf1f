//! The commands of the operator's tool that need no stack of their own: the check of the books, events and dead
//! letters, objectives and alerts. A library, so that tests can call them.

pub mod alerts;
pub mod dlt;
pub mod events;
mod http;
pub mod slo;
pub mod verify;
