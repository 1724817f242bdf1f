//! What the command-line tool does beside running the stack: real input, the check of the books, events and dead letters,
//! the benchmarks
//! and the drills. A library, so that tests can call it, above all [`verify::verify`].

mod backoff;
pub mod bench;
pub mod completejourney;
pub mod dlt;
pub mod drill;
pub mod events;
pub mod import;
mod place;
pub mod replay;
mod terminal;
pub mod verify;

pub use place::Place;
