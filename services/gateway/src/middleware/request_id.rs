//! The outermost layer: names the request, finds out what it leads to, continues the caller's trace, and says both in
//! the answer.

use std::rc::Rc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use service::telemetry;
use tracing::{Instrument as _, Span};

use crate::app::Gateway;
use crate::endpoint::Budget;
use crate::exchange::{Exchange, Target, client_address};
use crate::{middleware, routes};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static(telemetry::TRACEPARENT);

/// The longest id that is taken over from a client.
const MAX_LENGTH: usize = 128;

pub(crate) async fn identify(
    gateway: web::Data<Gateway>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let target = routes::target(&request);
    let exchange = Rc::new(Exchange::new(
        request_id(request.headers()).unwrap_or_else(|| uuid::Uuid::now_v7().to_string()),
        target,
        budget(&gateway, target),
        client_address(
            request.peer_addr().map(|peer| peer.ip()),
            request.headers(),
            gateway.http.trusted_proxy_hops,
        ),
        middleware::wants_problem(request.headers()),
    ));
    exchange.attach(&request);
    let span = span(&exchange, &request);
    let mut headers = vec![(X_REQUEST_ID, exchange.request_id.clone())];
    headers.extend(telemetry::traceparent(&span).map(|traceparent| (TRACEPARENT, traceparent)));
    let add = move |answer: &mut HeaderMap| {
        for (name, value) in &headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                answer.insert(name.clone(), value);
            }
        }
    };
    match next.call(request).instrument(span).await {
        Ok(mut response) => {
            add(response.headers_mut());
            Ok(response)
        }
        Err(mut error) => {
            error.add_response_mapper(move |mut response| {
                add(response.headers_mut());
                response
            });
            Err(error)
        }
    }
}

/// The client's id, when there is just one, of 1 to 128 visible ASCII characters.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(X_REQUEST_ID);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let fits = (1..=MAX_LENGTH).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    value.to_str().ok().filter(|_| fits).map(ToOwned::to_owned)
}

fn budget(gateway: &Gateway, target: Target) -> Duration {
    let budget_ms = match target {
        Target::Endpoint(endpoint) if endpoint.budget == Budget::Payment => gateway.deadlines.payment_ms,
        _ => gateway.deadlines.default_ms,
    };
    Duration::from_millis(budget_ms)
}

fn span(exchange: &Exchange, request: &ServiceRequest) -> Span {
    let span = tracing::info_span!(
        "request",
        method = %request.method(),
        route = exchange.target.route(),
        request_id = exchange.request_id,
        trace_id = tracing::field::Empty,
    );
    let traceparent = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    telemetry::continue_trace(&span, traceparent);
    if let Some(trace_id) = telemetry::trace_id(&span) {
        span.record("trace_id", trace_id);
    }
    span
}
