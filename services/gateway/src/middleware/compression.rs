//! Exempts small responses from compression, which would cost more than it saves. The library skips responses with a
//! `Content-Encoding`, so small ones are marked inside of it and unmarked outside.

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{self, HeaderMap, HeaderValue};

/// The size from which a response is compressed, in bytes: about what fits a packet with its headers.
pub(crate) const COMPRESS_FROM: usize = 1_024;
const IDENTITY: &str = "identity";

/// Marks a small response. Call it inside of the compression layer.
pub(super) fn mark_small(response: &mut ServiceResponse<impl MessageBody>) {
    let is_small = |bytes: u64| usize::try_from(bytes).is_ok_and(|bytes| bytes < COMPRESS_FROM);
    let small = matches!(response.response().body().size(), BodySize::Sized(bytes) if is_small(bytes));
    if small && !response.headers().contains_key(header::CONTENT_ENCODING) {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(IDENTITY));
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// Removes the mark. Call it outside of the compression layer.
pub(super) fn unmark(headers: &mut HeaderMap) {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding == IDENTITY) {
        headers.remove(header::CONTENT_ENCODING);
    }
}
