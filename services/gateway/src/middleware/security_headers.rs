//! What a browser is told about every answer: to take it for nothing else, to frame it nowhere, to keep it nowhere.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};

use crate::app::Gateway;
use crate::exchange::{Exchange, Target};

/// An answer of the API is data; a browser that shows it must run and load nothing.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// Swagger UI runs its own scripts, writes its styles into the page, and draws icons from data URLs.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) async fn secure(
    gateway: web::Data<Gateway>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let target = Exchange::of(&request).target;
    let hsts_max_age = Some(gateway.http.hsts_max_age_seconds).filter(|&seconds| seconds > 0);
    let mut response = next.call(request).await?;
    let failed = response.status().is_client_error() || response.status().is_server_error();
    let headers = response.headers_mut();
    if failed {
        headers.remove(header::CACHE_CONTROL);
    }
    set_security_headers(headers, target, hsts_max_age);
    Ok(response)
}

/// Sets the headers; `Cache-Control` only where the handler has not.
pub(crate) fn set_security_headers(
    headers: &mut HeaderMap,
    target: Target,
    hsts_max_age_seconds: Option<u64>,
) {
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
    if let Some(Ok(value)) = hsts_max_age_seconds.map(|age| HeaderValue::from_str(&format!("max-age={age}")))
    {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
}
