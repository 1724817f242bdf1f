//! The shell that every process runs in. [`run_main`] parses the command line and the configuration, starts telemetry
//! and runs the process; a [`Shell`] holds what the parts share: named tasks, readiness, and the signal to stop.

mod admin;
mod caller;
pub mod config;
mod context;
mod entry;
pub mod grpc;
pub mod page;
mod readiness;
mod shell;
mod tasks;
pub mod telemetry;
pub mod tls;

pub use caller::{Caller, Role};
pub use context::{RequestContext, parse_grpc_timeout};
pub use entry::{Command, ServiceConfig, run_main};
pub use readiness::Readiness;
pub use resilience::rate::TokenBucket;
pub use resilience::{Backoff, Deadline, Expired};
pub use shell::Shell;
pub use tasks::{OnFailure, Tasks};
