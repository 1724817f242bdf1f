//! Around the library's compression: answers so small that compressing them costs more than it saves stay as they are.
//! The library leaves alone what has a `Content-Encoding`, so small answers are marked on the way out and unmarked after.

use actix_web::Error;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;

/// The size from which an answer is compressed, in bytes: about what fits a packet with its headers.
const COMPRESS_FROM: u64 = 1_024;
const IDENTITY: &str = "identity";

/// Inside of the compression: marks small answers.
pub(crate) async fn compress_large_only(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let small = matches!(response.response().body().size(), BodySize::Sized(bytes) if bytes < COMPRESS_FROM);
    if small && !response.headers().contains_key(header::CONTENT_ENCODING) {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(IDENTITY));
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    Ok(response)
}

/// Outside of the compression: takes the marks away.
pub(crate) async fn unmark_uncompressed(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    if response.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding == IDENTITY) {
        response.headers_mut().remove(header::CONTENT_ENCODING);
    }
    Ok(response)
}
