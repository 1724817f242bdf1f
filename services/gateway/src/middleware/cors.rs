//! Cross-origin requests from browsers: allowed from the configured origins only. Tokens travel in a header that
//! scripts set, so browser credentials are not allowed.

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};

use crate::config::CorsConfig;

/// How long a browser may cache a preflight response, in seconds.
const MAX_AGE_SECONDS: usize = 600;

const ALLOWED_HEADERS: [&str; 8] = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "traceparent",
    "x-request-id",
];
const EXPOSED_HEADERS: [&str; 11] = [
    "age",
    "cache-status",
    "etag",
    "idempotent-replayed",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "traceparent",
    "www-authenticate",
    "x-request-id",
];

pub(crate) fn cors(config: &CorsConfig) -> Cors {
    let cors = Cors::default()
        .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE])
        .allowed_headers(ALLOWED_HEADERS)
        .expose_headers(EXPOSED_HEADERS)
        .max_age(MAX_AGE_SECONDS);
    config.allowed_origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

/// Adds the CORS headers to a response that bypasses the layer, if the origin is allowed.
pub(crate) fn allow_origin(config: &CorsConfig, request: &HeaderMap, answer: &mut HeaderMap) {
    let Some(origin) = request.get(header::ORIGIN) else { return };
    if config.allowed_origins.iter().any(|allowed| origin == allowed.as_str()) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if let Ok(exposed) = HeaderValue::try_from(EXPOSED_HEADERS.join(", ")) {
            answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}
