//! A failed request on its way out. Handlers and layers give one up; the envelope layer alone turns it into an answer.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use envelope::{Error, Reason};

/// The error of a request, as actix carries it.
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

/// A service that breaks its contract is a fault of ours.
impl From<proto::ConvertError> for Refusal {
    fn from(error: proto::ConvertError) -> Self {
        Self(Error::internal(error))
    }
}

/// The status as actix types it; its `http` crate is an older one.
pub(crate) fn status(reason: Reason) -> StatusCode {
    StatusCode::from_u16(reason.http_status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What an answer says that none of our code made, such as actix's own for a body that it can't read.
pub(crate) fn foreign(status: StatusCode) -> Error {
    match status {
        StatusCode::NOT_FOUND => Error::new(Reason::NotFound, "there is nothing at this path"),
        StatusCode::METHOD_NOT_ALLOWED => method_not_allowed(),
        StatusCode::NOT_ACCEPTABLE => not_acceptable(),
        StatusCode::PAYLOAD_TOO_LARGE => Error::new(Reason::BodyTooLarge, "the body is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => unsupported_media_type(),
        StatusCode::REQUEST_TIMEOUT => Error::deadline_exceeded(),
        StatusCode::FORBIDDEN => Error::new(Reason::Forbidden, "this is not allowed"),
        status if status.is_client_error() => Error::new(Reason::ValidationFailed, "the request is not valid"),
        _ => Error::internal("an answer that none of our code made"),
    }
}

pub(crate) fn not_found() -> Error {
    foreign(StatusCode::NOT_FOUND)
}

pub(crate) fn method_not_allowed() -> Error {
    Error::new(Reason::MethodNotAllowed, "the path does not take this method; see the Allow header")
}

pub(crate) fn not_acceptable() -> Error {
    Error::new(Reason::NotAcceptable, "the answer is JSON, uncompressed, gzip or brotli; nothing of it is accepted")
}

pub(crate) fn unsupported_media_type() -> Error {
    Error::new(Reason::UnsupportedMediaType, "the body must be application/json in UTF-8, not compressed")
}
