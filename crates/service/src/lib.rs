//! The shell of every process, and the context of every request.
//!
//! The context is plain data without I/O, which domains and use cases may use: [`RequestContext`] (module `context`),
//! [`Caller`] and [`Role`] (`caller`), [`Deadline`] and [`Expired`] (from `resilience`). Its wire form is gRPC metadata
//! (`metadata`), for the edges alone.
//!
//! The shell: [`run_main`] (`entry`) parses the command line, loads the [`config`], starts [`telemetry`] and runs the
//! process. A [`Shell`] holds what its parts share: named [`Tasks`], [`Readiness`] and the stop signal, the admin port,
//! and mutual [`tls`]. [`grpc`] is the server, and [`page`] signs the page tokens of lists.
//!
//! [`Backoff`] and [`TokenBucket`] are re-exported for crates that need no other part of `resilience`.

mod admin;
mod caller;
pub mod config;
mod context;
mod entry;
pub mod grpc;
mod metadata;
pub mod page;
mod readiness;
mod shell;
mod tasks;
pub mod telemetry;
pub mod tls;

pub use caller::{Caller, Role};
pub use config::ServiceConfig;
pub use context::RequestContext;
pub use entry::{Command, run_main};
pub use metadata::parse_grpc_timeout;
pub use readiness::Readiness;
pub use resilience::rate::TokenBucket;
pub use resilience::{Backoff, Deadline, Expired};
pub use shell::Shell;
pub use tasks::{OnFailure, Tasks};
