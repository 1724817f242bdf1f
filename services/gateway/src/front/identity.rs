//! The id of a request, and its trace context.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use service::telemetry;
use tracing::Span;

use crate::exchange::Exchange;

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static(telemetry::TRACEPARENT);
/// The longest id that is adopted from a client, in bytes.
const MAX_LENGTH: usize = 128;

/// The trace of a request, if tracing is on.
pub(super) struct Trace {
    pub(super) id: Option<String>,
    /// The `traceparent` of the response.
    pub(super) parent: Option<HeaderValue>,
}

/// The client's id, if there is exactly one, of 1 to 128 visible ASCII characters; otherwise a new one.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    let mut values = headers.get_all(X_REQUEST_ID);
    let given = match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    };
    let fits = |value: &&HeaderValue| {
        (1..=MAX_LENGTH).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    let given = given.filter(fits).and_then(|value| value.to_str().ok());
    given.map_or_else(new_id, ToOwned::to_owned)
}

/// A UUID of version 7. Built by hand: the library asks the kernel for ten random bytes each time.
fn new_id() -> String {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    let id = uuid::Builder::from_unix_timestamp_millis(ms, &rand::random()).into_uuid();
    id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()).to_owned()
}

/// The span of a request that is passed on; it continues the caller's trace.
pub(super) fn span(exchange: &Exchange, method: &'static str, headers: &HeaderMap) -> (Span, Trace) {
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {}", exchange.target.route()),
        otel.kind = "server",
        http.request.method = method,
        http.route = exchange.target.route(),
        request_id = exchange.request_id,
        trace_id = tracing::field::Empty,
    );
    telemetry::continue_trace(&span, given_traceparent(headers));
    let id = telemetry::trace_id(&span);
    if let Some(id) = &id {
        span.record("trace_id", id);
    }
    let parent = telemetry::traceparent(&span).and_then(|parent| HeaderValue::try_from(parent).ok());
    (span, Trace { id, parent })
}

/// The `traceparent` of a response without a span: continues the caller's trace, or starts a new one.
pub(super) fn traceparent(headers: &HeaderMap) -> Option<HeaderValue> {
    let given = given_traceparent(headers).filter(|given| is_traceparent(given));
    let (trace, flags) = given.map_or(("", "00"), |given| (&given[3..35], &given[53..55]));
    let mut answer = String::with_capacity(55);
    // Writing to a string can't fail, and a random id is practically never 0, which the format forbids.
    let _ = if trace.is_empty() {
        write!(answer, "00-{:032x}-{:016x}-{flags}", rand::random::<u128>(), rand::random::<u64>())
    } else {
        write!(answer, "00-{trace}-{:016x}-{flags}", rand::random::<u64>())
    };
    HeaderValue::try_from(answer).ok()
}

fn given_traceparent(headers: &HeaderMap) -> Option<&str> {
    headers.get(TRACEPARENT).and_then(|value| value.to_str().ok())
}

/// Version 00 of W3C Trace Context: `00-` trace `-` parent `-` flags, in lower case, neither id zero.
fn is_traceparent(text: &str) -> bool {
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |part: &str, length: usize| is_hex(part, length) && part.bytes().any(|byte| byte != b'0');
    let mut parts = text.split('-');
    parts.next() == Some("00")
        && parts.next().is_some_and(|trace| is_id(trace, 32))
        && parts.next().is_some_and(|parent| is_id(parent, 16))
        && parts.next().is_some_and(|flags| is_hex(flags, 2))
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(given: &'static str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static(given));
        traceparent(&headers).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn a_valid_trace_is_continued_and_an_invalid_one_is_replaced() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let answer = answered(given);
        assert!(is_traceparent(&answer), "{answer}");
        assert_eq!(answer[..36], given[..36]);
        assert_eq!(answer[53..], given[53..]);
        assert_ne!(answer[36..52], given[36..52]);
        for bad in [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            let answer = answered(bad);
            assert!(is_traceparent(&answer) && answer.ends_with("-00"), "{bad} gave {answer}");
            assert!(!bad.contains(&answer[3..35]));
        }
    }

    #[test]
    fn new_ids_are_distinct_uuids_of_version_7() {
        let ids = [new_id(), new_id()];
        assert_ne!(ids[0], ids[1]);
        assert!(ids.iter().all(|id| id.parse::<primitives::OrderId>().is_ok()));
    }
}
