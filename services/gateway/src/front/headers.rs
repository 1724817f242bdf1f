//! The headers that inner layers add, for responses of the outermost layer.

use actix_web::http::header::{self, HeaderMap, HeaderValue};

use super::identity::{self, TRACEPARENT, X_REQUEST_ID};
use crate::exchange::Target;
use crate::middleware::allow_origin;
use crate::security_headers::set_security_headers;
use crate::state::Gateway;

/// The request headers that a response may depend on.
const VARY: HeaderValue =
    HeaderValue::from_static("accept-encoding, Origin, Access-Control-Request-Method, Access-Control-Request-Headers");

/// Adds the headers to a response of the API.
pub(super) fn complete(answer: &mut HeaderMap, gateway: &Gateway, request: &HeaderMap, request_id: &str) {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        answer.insert(X_REQUEST_ID, id);
    }
    if let Some(traceparent) = identity::traceparent(request) {
        answer.insert(TRACEPARENT, traceparent);
    }
    answer.insert(header::VARY, VARY);
    allow_origin(&gateway.cors, request, answer);
    set_security_headers(answer, Target::Nothing, gateway.hsts.as_ref());
}
