//! One line and one measurement a request. Neither ever holds a body, a token, or a path with somebody's ids in it.

use std::time::Instant;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;

use crate::exchange::Exchange;

pub(crate) async fn log_access(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let exchange = Exchange::of(&request);
    let method = label(request.method());
    let result = next.call(request).await;
    let status = match &result {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let route = exchange.target.route();
    let elapsed = started.elapsed();
    // The request id and the trace id are fields of the span around this.
    tracing::info!(
        method,
        route,
        status = status.as_u16(),
        duration_ms = elapsed.as_secs_f64() * 1_000.0,
        request_id = exchange.request_id,
        trace_id = service::telemetry::trace_id(&tracing::Span::current()),
        "request"
    );
    let status = status.as_str().to_owned();
    metrics::counter!("http_requests_total", "method" => method, "route" => route, "status" => status)
        .increment(1);
    metrics::histogram!("http_request_duration_seconds", "method" => method, "route" => route)
        .record(elapsed.as_secs_f64());
    result
}

/// A method as a label; a client can make up any other.
fn label(method: &Method) -> &'static str {
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
