//! A client-side load balancer for gRPC: a channel over all replicas of another service.
//!
//! The parts, from configuration to a request on the wire:
//! - [`discovery`] turns configured targets into a set of addresses, by DNS where it has to.
//! - The pool keeps one HTTP/2 connection to each replica and checks its health by `grpc.health.v1`.
//! - Outlier detection ejects replicas whose calls fail more than those of the others, after Envoy.
//! - The picker chooses a replica for each request: by default the power of two choices with a peak EWMA of latency,
//!   after Finagle; rendezvous hashing for requests with a key.
//! - [`Channel`] hands a request that was never sent to another replica. [`Upstream`] adds the policy of `resilience`:
//!   deadline, retries, breaker, bulkhead, hedges.
//!
//! Bounds: at most `max_endpoints` replicas, one connection each; requests of 4 MiB; 256 methods with a latency
//! baseline of their own.

mod baseline;
mod call;
mod channel;
mod config;
pub mod discovery;
mod endpoint;
mod health;
mod hint;
mod outcomes;
mod outlier;
mod pick;
mod pool;
mod rendezvous;
mod request;
mod upstream;

pub use channel::Channel;
pub use config::{EjectionConfig, HealthConfig, Strategy, UpstreamConfig};
pub use upstream::{Ask, Upstream};
