//! What the command-line tool does beside running the stack: real input, the check of the books, events and dead
//! letters, objectives and alerts, the benchmarks and the drills. A library, so that tests can call it, above all
//! [`verify::verify`].

pub mod alerts;
mod backoff;
pub mod bench;
pub mod completejourney;
pub mod dial;
pub mod dlt;
pub mod drill;
pub mod events;
pub mod import;
mod place;
pub mod replay;
pub mod slo;
mod terminal;
pub mod verify;

pub use place::Place;
