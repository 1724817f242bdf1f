//! A real local stack: a three-node MongoDB replica set, a Kafka broker and the services, started and stopped as
//! processes of this machine. `nines up`, the integration tests and the benchmarks all use it.
//!
//! It is for one developer's machine. It binds to loopback only, uses no TLS between the parts and must never be
//! pointed at real data.
//!
//! Invariant: only processes that this crate has started are signalled, and only while their pids still belong to them
//! ([`process::Identity`]).
//!
//! Linux only: process identities come from `/proc`.

pub mod backing;
pub mod error;
pub mod faults;
pub mod files;
pub mod parts;
pub mod platform;
pub mod ports;
pub mod process;
pub mod progress;
pub mod scratch;
pub mod stack;
pub mod testing;
mod wait;

pub use backing::{Backing, BackingOptions, BrokerKind, Connection};
pub use error::Error;
pub use platform::{Platform, PlatformOptions};
pub use process::{Identity, Process, ProcessSpec};
pub use progress::{Event, Progress};

/// The result of every fallible call of this crate.
pub type Result<T> = std::result::Result<T, Error>;
