//! Admission limits: of concurrency in total and per connection, and of the rate per client.

mod client;
mod connection;
mod rates;
mod share;

use resilience::AdaptiveLimit;
use service::Tasks;

use crate::config::LimitsConfig;
pub(crate) use client::Client;
pub(crate) use connection::{Connection, InFlight};
pub(crate) use rates::{Rates, Taken};

/// The limits of this gateway, shared by all workers.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) concurrency: AdaptiveLimit,
    pub(crate) max_in_flight_per_connection: u32,
    pub(crate) rates: Rates,
}

impl Limits {
    pub(crate) fn start(config: &LimitsConfig, tasks: &Tasks) -> Self {
        Self {
            concurrency: AdaptiveLimit::new("gateway", "gateway-payments", &config.concurrency),
            max_in_flight_per_connection: config.max_in_flight_per_connection,
            rates: Rates::new(&config.rates, &share::follow(config, tasks)),
        }
    }
}
