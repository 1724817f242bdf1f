//! The leave to go on: a place among all requests, and one among those of the connection.

use std::time::Duration;

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use envelope::{Error, Reason};
use resilience::Permit;

use crate::exchange::{Exchange, Target};
use crate::limits::{Connection, InFlight, Limits};

/// The leave of one request.
#[derive(Debug)]
pub(super) struct Ticket {
    /// What is not limited has none.
    permit: Option<Permit>,
    _in_flight: Option<InFlight>,
}

impl Ticket {
    /// For a request of the API; what has no service behind it always has leave.
    pub(super) fn take(limits: &Limits, request: &ServiceRequest, target: Target) -> Result<Self, Error> {
        let Some(endpoint) = target.endpoint().filter(|endpoint| endpoint.is_api()) else {
            return Ok(Self { permit: None, _in_flight: None });
        };
        let most = limits.max_in_flight_per_connection;
        let in_flight = match request.conn_data::<Connection>() {
            Some(connection) => Some(connection.enter(most).ok_or_else(too_many_of_one)?),
            None => None,
        };
        let permit = limits.concurrency.acquire(endpoint.priority, endpoint.number)?;
        Ok(Self { permit: Some(permit), _in_flight: in_flight })
    }

    /// Tells the limit how it went.
    pub(super) fn settle(self, status: StatusCode, exchange: &Exchange) {
        let Some(permit) = self.permit.filter(|_| exchange.is_in_latency()) else { return };
        match exchange.failure() {
            Some(Reason::Overloaded | Reason::DeadlineExceeded) => permit.overloaded(),
            // Whatever else fails may have failed fast.
            None if status.is_success() => permit.succeeded(),
            _ => drop(permit),
        }
    }
}

fn too_many_of_one() -> Error {
    Error::new(Reason::RateLimited, "too many requests of this connection are under way")
        .with_retry_after(Duration::from_secs(1))
}
