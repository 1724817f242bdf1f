//! One line and one measurement a request. Neither ever holds a body, a token, or a path with somebody's ids in it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Instant;

use actix_web::http::{Method, StatusCode};
use envelope::Reason;
use metrics::{Counter, Histogram};

use crate::exchange::Exchange;
use crate::{refusal, routes};

/// What requests of one kind and outcome are counted by.
#[derive(Debug, Clone)]
struct Meters {
    requests: Counter,
    seconds: Histogram,
}

impl Meters {
    fn new(method: &'static str, route: &'static str, status: StatusCode) -> Self {
        let status = status.as_str().to_owned();
        Self {
            requests: metrics::counter!("http_requests_total", "method" => method, "route" => route, "status" => status),
            seconds: metrics::histogram!("http_request_duration_seconds", "method" => method, "route" => route),
        }
    }

    fn count(&self, arrived: Instant) {
        self.requests.increment(1);
        self.seconds.record(arrived.elapsed().as_secs_f64());
    }
}

thread_local! {
    /// Those of this worker: to look one up by its labels takes longer than many an answer. Bounded: the labels are.
    static METERS: RefCell<HashMap<(&'static str, &'static str, u16), Meters>> = RefCell::default();
}

fn count(method: &'static str, route: &'static str, status: StatusCode, arrived: Instant) {
    METERS.with_borrow_mut(|meters| {
        let meters = meters.entry((method, route, status.as_u16()));
        meters.or_insert_with(|| Meters::new(method, route, status)).count(arrived);
    });
}

/// Failures are counted from 0 on: of a counter that begins with its first failure, nobody sees that one.
pub(crate) fn count_from_zero() {
    let failures = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
    for endpoint in routes::endpoints() {
        for status in failures {
            Meters::new(endpoint.verb.as_str(), endpoint.path, status).requests.increment(0);
        }
    }
}

/// A request that went all the way; within its span, so that the line has the fields of that too.
pub(super) fn served(
    exchange: &Exchange,
    method: &'static str,
    status: StatusCode,
    arrived: Instant,
    trace_id: Option<&str>,
) {
    let route = exchange.target.route();
    tracing::info!(
        method,
        route,
        status = status.as_u16(),
        reason = exchange.failure().map(Reason::name),
        duration_ms = arrived.elapsed().as_secs_f64() * 1_000.0,
        request_id = exchange.request_id,
        trace_id,
        "request"
    );
    count(method, route, status, arrived);
}

/// A request that was refused at once. Of these there may be more than anybody could read, or a disk could take.
pub(super) fn refused(exchange: &Exchange, method: &Method, reason: Reason, arrived: Instant) {
    let (method, route) = (label(method), exchange.target.route());
    tracing::debug!(method, route, reason = reason.name(), request_id = exchange.request_id, "request refused");
    count(method, route, refusal::status(reason), arrived);
}

/// Reads that were answered on the shortest way.
#[derive(Debug)]
pub(super) struct CachedReads {
    log_one_in: u32,
    until_logged: Cell<u32>,
    lists: Meters,
    products: Meters,
}

impl CachedReads {
    pub(super) fn new(log_one_in: NonZeroU32) -> Self {
        let meters = |route| Meters::new("GET", route, StatusCode::OK);
        Self {
            log_one_in: log_one_in.get(),
            until_logged: Cell::new(log_one_in.get()),
            lists: meters(Self::LIST),
            products: meters(Self::PRODUCT),
        }
    }

    const LIST: &str = "/api/v1/products";
    const PRODUCT: &str = "/api/v1/products/{sku}";

    pub(super) fn count(&self, is_product: bool, status: StatusCode, arrived: Instant, request_id: &str) {
        let route = if is_product { Self::PRODUCT } else { Self::LIST };
        match status {
            StatusCode::OK if is_product => self.products.count(arrived),
            StatusCode::OK => self.lists.count(arrived),
            _ => count("GET", route, status, arrived),
        }
        let left = self.until_logged.get().saturating_sub(1);
        self.until_logged.set(if left == 0 { self.log_one_in } else { left });
        if left == 0 {
            tracing::info!(
                method = "GET",
                route,
                status = status.as_u16(),
                duration_ms = arrived.elapsed().as_secs_f64() * 1_000.0,
                request_id,
                one_in = self.log_one_in,
                "request"
            );
        }
    }
}

/// A method as a label; a client can make up any other.
pub(super) fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
