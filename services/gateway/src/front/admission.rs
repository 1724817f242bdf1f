//! The admission of a request: a permit of the concurrency limit, and one of its connection.

use std::time::Duration;

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use envelope::{Error, Reason};
use resilience::Permit;

use crate::exchange::{Exchange, Target};
use crate::limits::{Connection, InFlight, Limits};

/// The admission of one request.
#[derive(Debug)]
pub(super) struct Admission {
    /// None for requests that are not limited.
    permit: Option<Permit>,
    _in_flight: Option<InFlight>,
}

impl Admission {
    /// Admits a request of the API; endpoints without a service behind them are always admitted.
    pub(super) fn take(limits: &Limits, request: &ServiceRequest, target: Target) -> Result<Self, Error> {
        let Some(endpoint) = target.endpoint().filter(|endpoint| endpoint.is_api()) else {
            return Ok(Self { permit: None, _in_flight: None });
        };
        let limit = limits.max_in_flight_per_connection;
        let in_flight = match request.conn_data::<Connection>() {
            Some(connection) => Some(connection.enter(limit).ok_or_else(connection_limit_exceeded)?),
            None => None,
        };
        let permit = limits.concurrency.acquire(endpoint.priority, endpoint.operation.index())?;
        Ok(Self { permit: Some(permit), _in_flight: in_flight })
    }

    /// Reports the outcome to the limit.
    pub(super) fn settle(self, status: StatusCode, exchange: &Exchange) {
        let Some(permit) = self.permit.filter(|_| exchange.is_in_latency()) else { return };
        match exchange.failure() {
            Some(Reason::Overloaded | Reason::DeadlineExceeded) => permit.overloaded(),
            // Other failures may have been fast, and so do not measure latency.
            None if status.is_success() => permit.succeeded(),
            _ => drop(permit),
        }
    }
}

fn connection_limit_exceeded() -> Error {
    Error::new(Reason::RateLimited, "too many requests in flight on this connection")
        .with_retry_after(Duration::from_secs(1))
}
