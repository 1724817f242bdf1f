//! Responses: renders data and errors as JSON, with the headers that belong to them.

use actix_web::body::BoxBody;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, Responder};
use envelope::{Error, Failure, Problem, Reason, Success};
use serde::Serialize;
use tonic::metadata::MetadataMap;

use crate::entity_tag::{Versioned, is_match, version_tag};
use crate::exchange::{Exchange, Target};
use crate::refusal::{self, Refusal};
use crate::security_headers::set_security_headers;

/// The metadata in which a service marks a replayed response, with the id of the first request.
const REPLAY_OF: &str = "x-idempotent-replay-of";
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
/// Allows storing, but requires revalidation before each use.
pub(crate) const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// The response to a successful request.
#[derive(Debug)]
pub(crate) struct Reply<T> {
    status: StatusCode,
    data: T,
    etag: Etag,
    location: Option<String>,
    replay_of: Option<String>,
}

#[derive(Debug)]
enum Etag {
    None,
    Version(u64),
}

impl<T: Serialize> Reply<T> {
    /// 200
    pub(crate) fn ok(data: T) -> Self {
        Self { status: StatusCode::OK, data, etag: Etag::None, location: None, replay_of: None }
    }

    /// 201
    pub(crate) fn created(data: T) -> Self {
        Self { status: StatusCode::CREATED, ..Self::ok(data) }
    }

    /// 202
    pub(crate) fn accepted(data: T) -> Self {
        Self { status: StatusCode::ACCEPTED, ..Self::ok(data) }
    }

    pub(crate) fn location(self, location: String) -> Self {
        Self { location: Some(location), ..self }
    }

    /// Marks the response as a replay if the service did. Its body equals the first one byte for byte, so it has the id
    /// of the first request.
    pub(crate) fn replayed(self, metadata: &MetadataMap) -> Self {
        let first = metadata.get(REPLAY_OF).and_then(|id| id.to_str().ok());
        Self { replay_of: first.map(ToOwned::to_owned), ..self }
    }

    fn render(self, request: &HttpRequest) -> Result<HttpResponse, Error> {
        let exchange = Exchange::of(request);
        let tag = match self.etag {
            Etag::None => None,
            Etag::Version(version) => Some(version_tag(version)),
        };
        let mut response = HttpResponse::build(self.status);
        if let Some(location) = self.location {
            response.insert_header((header::LOCATION, location));
        }
        if let Some(tag) = tag {
            let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
            let known = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
            let unchanged = is_read && known.is_some_and(|known| is_match(known, &tag));
            response.insert_header((header::ETAG, tag));
            if unchanged {
                return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
            }
        }
        let request_id = self.replay_of.as_deref().unwrap_or(&exchange.request_id);
        if self.replay_of.is_some() {
            response.insert_header((IDEMPOTENT_REPLAYED, "true"));
        }
        let status = http::StatusCode::from_u16(self.status.as_u16()).map_err(Error::internal)?;
        let body = serde_json::to_vec(&Success::new(status, self.data, request_id)).map_err(Error::internal)?;
        Ok(response.insert_header((header::CONTENT_TYPE, JSON)).body(body))
    }
}

impl<T: Serialize + Versioned> Reply<T> {
    /// Adds the version as the entity tag.
    pub(crate) fn tagged(self) -> Self {
        Self { etag: Etag::Version(self.data.version()), ..self }
    }
}

impl<T: Serialize> Responder for Reply<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        self.render(request).unwrap_or_else(|error| HttpResponse::from_error(Refusal(error)))
    }
}

/// A rendered failure.
#[derive(Debug)]
pub(crate) struct Rendered {
    status: StatusCode,
    content_type: HeaderValue,
    body: Vec<u8>,
    headers: Vec<(HeaderName, HeaderValue)>,
    target: Target,
}

impl Rendered {
    /// Renders the envelope, or RFC 9457 problem details if the client prefers them.
    pub(crate) fn new(error: &Error, exchange: &Exchange) -> Self {
        let id = &exchange.request_id;
        let (content_type, body) = if exchange.wants_problem {
            (PROBLEM, serde_json::to_vec(&Problem::new(error, id)))
        } else {
            (JSON, serde_json::to_vec(&Failure::new(error, id)))
        };
        let mut headers = Vec::new();
        if let Some(seconds) = error.retry_after_seconds() {
            headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        let status = refusal::status(error.reason());
        if status == StatusCode::UNAUTHORIZED {
            headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        if let (Reason::MethodNotAllowed, Some(allow)) = (error.reason(), exchange.target.allow()) {
            headers.push((header::ALLOW, allow));
        }
        // Infallible: these types hold strings and numbers only.
        Self { status, content_type, body: body.unwrap_or_default(), headers, target: exchange.target }
    }

    /// Replaces the body of a response with the failure; keeps the headers that other layers have set.
    pub(crate) fn replace<B>(&self, response: HttpResponse<B>) -> HttpResponse {
        let mut response = response.set_body(BoxBody::new(self.body.clone()));
        *response.status_mut() = self.status;
        let headers: &mut HeaderMap = response.headers_mut();
        for stale in [header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::ETAG, header::LAST_MODIFIED] {
            headers.remove(stale);
        }
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        // Covers failures outside of the layer that sets these headers on other responses.
        set_security_headers(headers, self.target, None);
        response
    }
}
