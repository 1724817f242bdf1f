//! How a replay sends its orders.

use std::time::Duration;

/// The settings of a replay.
#[derive(Debug, Clone)]
pub struct Options {
    /// The gateway, such as `http://127.0.0.1:8080`.
    pub gateway: String,
    /// Identifies the run: 1 to 32 of a-z 0-9.
    pub run_id: String,
    /// The number of customers, at least 1.
    pub users: u32,
    /// The most orders in flight, at least 1.
    pub concurrency: u32,
    /// Orders per second; without a rate, the next order is sent when one is answered.
    pub rate: Option<f64>,
    /// For how long orders are sent at most.
    pub sending: Duration,
}
