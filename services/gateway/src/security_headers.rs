//! Security headers for browsers: no content sniffing, no framing, no caching.

use actix_web::http::header::{self, HeaderMap, HeaderValue};

use crate::exchange::Target;

/// Responses of the API are data: a browser must not execute or load anything.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// Swagger UI runs its own scripts, writes its styles into the page, and draws icons from data URLs.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `Strict-Transport-Security` with this age in seconds; none for 0.
pub(crate) fn hsts(max_age_seconds: u64) -> Option<HeaderValue> {
    let value = (max_age_seconds > 0).then(|| format!("max-age={max_age_seconds}"))?;
    HeaderValue::try_from(value).ok()
}

/// Sets the headers; `Cache-Control` only if the handler has not.
pub(crate) fn set_security_headers(headers: &mut HeaderMap, target: Target, hsts: Option<&HeaderValue>) {
    let policy = if matches!(target, Target::Docs) { DOCS_POLICY } else { DATA_POLICY };
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Some(value) = hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value.clone());
    }
}
