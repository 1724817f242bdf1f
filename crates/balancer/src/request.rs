//! A request with its body in memory, so that it can be handed to another replica.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use tonic::body::Body;
use tower::BoxError;

/// A request that can be sent more than once.
#[derive(Debug, Clone)]
pub(crate) struct BufferedRequest {
    pub(crate) head: http::request::Parts,
    pub(crate) body: Bytes,
}

impl BufferedRequest {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// When the body is larger than `max_bytes`, or ends with an error.
    pub(crate) async fn read(request: http::Request<Body>, max_bytes: usize) -> Result<Self, BoxError> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, max_bytes).collect().await?.to_bytes();
        Ok(Self { head, body })
    }
}
