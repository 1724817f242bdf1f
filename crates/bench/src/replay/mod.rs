//! `bench replay`: sends the baskets of The Complete Journey as orders over REST, in time order, and summarises the
//! outcomes.
//!
//! An order is retried under the same idempotency key while its outcome is unknown or the platform asks for a retry, so
//! no basket is ordered twice.

mod answer;
mod api;
mod command;
mod customers;
mod latency;
mod options;
mod plan;
mod run;
mod send;
mod summary;

pub(crate) use command::Replay;
pub use latency::Percentiles;
pub use options::Options;
pub use run::replay_baskets;
pub use summary::Summary;
