//! The error of a failed request. Handlers and layers return it; only the envelope layer renders it as a response.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use envelope::{Error, Reason};

/// The error of a request, as an actix error.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) Error);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        status(self.0.reason())
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// A service that breaks its contract is an internal error.
impl From<proto::ConvertError> for Refusal {
    fn from(error: proto::ConvertError) -> Self {
        Self(Error::internal(error))
    }
}

/// The status as the type of actix, which uses an older `http` crate.
pub(crate) fn status(reason: Reason) -> StatusCode {
    StatusCode::from_u16(reason.http_status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Maps framework errors to the envelope, such as actix's response to a body that it can't read.
pub(crate) fn foreign(status: StatusCode) -> Error {
    match status {
        StatusCode::NOT_FOUND => Error::new(Reason::NotFound, "the path does not exist"),
        StatusCode::METHOD_NOT_ALLOWED => method_not_allowed(),
        StatusCode::NOT_ACCEPTABLE => not_acceptable(),
        StatusCode::PAYLOAD_TOO_LARGE => Error::new(Reason::BodyTooLarge, "the body is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => unsupported_media_type(),
        StatusCode::REQUEST_TIMEOUT => Error::deadline_exceeded(),
        StatusCode::FORBIDDEN => Error::new(Reason::Forbidden, "the request is not allowed"),
        status if status.is_client_error() => Error::new(Reason::ValidationFailed, "the request is not valid"),
        _ => Error::internal("the framework returned an unexpected response"),
    }
}

pub(crate) fn not_found() -> Error {
    foreign(StatusCode::NOT_FOUND)
}

pub(crate) fn method_not_allowed() -> Error {
    Error::new(Reason::MethodNotAllowed, "the path does not support this method; see the Allow header")
}

pub(crate) fn not_acceptable() -> Error {
    let message = "responses are JSON, uncompressed or encoded with gzip or brotli; the request accepts none of these";
    Error::new(Reason::NotAcceptable, message)
}

pub(crate) fn unsupported_media_type() -> Error {
    Error::new(Reason::UnsupportedMediaType, "the body must be application/json in UTF-8, uncompressed")
}
