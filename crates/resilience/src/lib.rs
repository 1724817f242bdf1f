//! The template that every outgoing call runs under, and the limiters that protect what is called.

mod adaptive;
mod breaker;
mod budget;
mod bulkhead;
mod config;
mod deadline;
mod failure;
mod fallback;
mod hedge;
mod lock;
mod policy;
mod priority;
pub mod rate;
mod retry;

pub use adaptive::{AdaptiveLimit, AdaptiveLimitConfig, PaymentsLimitConfig, Permit, PriorityShares};
pub use breaker::{BreakerConfig, WindowConfig};
pub use bulkhead::BulkheadConfig;
pub use config::within;
pub use deadline::{Deadline, Expired};
pub use failure::{Failure, Safety};
pub use fallback::Answer;
pub use hedge::HedgeConfig;
pub use policy::{Attempt, Call, Policy, PolicyConfig};
pub use priority::Priority;
pub use retry::RetryConfig;
