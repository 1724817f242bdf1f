//! Resilience: the template of every outgoing call, and the limiters of incoming ones.
//!
//! - [`Policy`] is what all calls to one peer share. A [`Call`] under it has a [`Deadline`], a bulkhead permit, a
//!   breaker, retries and a hedge paid from one budget, and optionally a fallback.
//! - [`Failure`] classifies the failure of one attempt: whether it had an effect, and whether the peer is to blame.
//! - [`AdaptiveLimit`] bounds the requests in flight by their latency, and refuses the least important first.
//! - [`rate`] limits requests per key, and paces background work.
//! - [`Backoff`] is the pause between attempts, also for loops that have no policy.
//!
//! Everything is in memory, bounded, and local to the process. Each module names the source of its algorithm.

mod adaptive;
mod backoff;
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
mod window;

pub use adaptive::{AdaptiveLimit, AdaptiveLimitConfig, PaymentsLimitConfig, Permit, PriorityShares};
pub use backoff::Backoff;
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
