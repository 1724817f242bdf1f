//! What a browser is told about every answer: to take it for nothing else, to frame it nowhere, to keep it nowhere.

use actix_web::http::header::{self, HeaderMap, HeaderValue};

use crate::exchange::Target;

/// An answer of the API is data; a browser that shows it must run and load nothing.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// Swagger UI runs its own scripts, writes its styles into the page, and draws icons from data URLs.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `Strict-Transport-Security` for so many seconds; nothing for none.
pub(crate) fn hsts(max_age_seconds: u64) -> Option<HeaderValue> {
    let value = (max_age_seconds > 0).then(|| format!("max-age={max_age_seconds}"))?;
    HeaderValue::try_from(value).ok()
}

/// Sets the headers; `Cache-Control` only where the handler has not.
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
