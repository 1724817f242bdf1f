//! What the command-line tool does beside running the stack: real input, and the check of the books. A library, so
//! that tests can call it, above all [`verify::verify`].

mod backoff;
pub mod completejourney;
pub mod import;
mod place;
pub mod replay;
mod terminal;
pub mod verify;

pub use place::Place;
