//! Benchmarks and drills on a platform of their own, and the real baskets that they are run with: The Complete Journey,
//! imported as a catalogue and replayed as orders. A library, so that tests can call it; [`Cli`] is the command line.

mod backoff;
mod command;
pub mod completejourney;
mod drill;
mod events;
mod gateway;
mod harness;
mod import;
mod orders;
mod overload;
pub mod replay;
mod replicas;
mod telemetry;
mod through_gateway;

pub use command::Cli;
