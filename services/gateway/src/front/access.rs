//! The access log and the metrics of requests. They never contain bodies, tokens, or paths with ids.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Instant;

use actix_web::http::{Method, StatusCode};
use envelope::Reason;
use metrics::{Counter, Histogram};

use crate::exchange::Exchange;
use crate::{refusal, routes};

/// The metrics of requests with one method, route and status.
#[derive(Debug, Clone)]
struct Meters {
    requests: Counter,
    seconds: Histogram,
}

impl Meters {
    fn new(method: &'static str, route: &'static str, status: StatusCode) -> Self {
        let status = status.as_str().to_owned();
        Self {
            requests: metrics::counter!(
                "http_requests_total", "method" => method, "route" => route, "status" => status
            ),
            seconds: metrics::histogram!("http_request_duration_seconds", "method" => method, "route" => route),
        }
    }

    fn count(&self, arrived: Instant) {
        self.requests.increment(1);
        self.seconds.record(arrived.elapsed().as_secs_f64());
    }
}

thread_local! {
    /// Cached per worker, since a lookup by labels takes longer than many responses. Bounded, as the labels are.
    static METERS: RefCell<HashMap<(&'static str, &'static str, u16), Meters>> = RefCell::default();
}

fn count(method: &'static str, route: &'static str, status: StatusCode, arrived: Instant) {
    METERS.with_borrow_mut(|meters| {
        let meters = meters.entry((method, route, status.as_u16()));
        meters.or_insert_with(|| Meters::new(method, route, status)).count(arrived);
    });
}

/// Registers the counters of failures at 0: a rate misses the first failure of a counter that starts at 1.
pub(crate) fn count_from_zero() {
    let failures = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
    for endpoint in routes::endpoints() {
        for status in failures {
            Meters::new(endpoint.verb.as_str(), endpoint.path, status).requests.increment(0);
        }
    }
}

/// Logs and counts a request that passed all layers. Call it within the request's span, whose fields the line inherits.
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

/// Logs and counts a request that the outermost layer rejected; at `debug`, since overload may cause any number of
/// them.
pub(super) fn refused(exchange: &Exchange, method: &Method, reason: Reason, arrived: Instant) {
    let (method, route) = (label(method), exchange.target.route());
    tracing::debug!(method, route, reason = reason.name(), request_id = exchange.request_id, "request refused");
    count(method, route, refusal::status(reason), arrived);
}

/// Logs and counts reads on the fast path.
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

/// A method as a label. Clients can send arbitrary methods, so the set is bounded here.
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
