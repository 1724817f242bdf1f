//! A gRPC channel over many replicas: finds them, keeps connected to them, chooses one for each request, and leaves
//! alone those that are not well.

mod call;
mod channel;
mod config;
pub mod discovery;
mod endpoint;
mod health;
mod hint;
mod pace;
mod pick;
mod pool;
mod rank;
mod upstream;

pub use channel::Channel;
pub use config::{EjectionConfig, HealthConfig, Strategy, UpstreamConfig};
pub use upstream::{Ask, Upstream};
