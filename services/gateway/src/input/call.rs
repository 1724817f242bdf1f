//! A request as a handler gets it.

use std::fmt::Display;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use envelope::{Error, Reason};
use ids::IdempotencyKey;
use serde::de::DeserializeOwned;
use service::RequestContext;

use crate::app::Gateway;
use crate::exchange::Exchange;
use crate::input::{Query, body, conditions};
use crate::refusal::Refusal;

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// A request, with what it takes to answer it.
pub(crate) struct Call {
    pub(crate) gateway: web::Data<Gateway>,
    request: HttpRequest,
    payload: Payload,
    exchange: Rc<Exchange>,
}

impl FromRequest for Call {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let Some(gateway) = request.app_data::<web::Data<Gateway>>() else {
            return ready(Err(Refusal(Error::internal("the gateway's state is not attached")).into()));
        };
        ready(Ok(Self {
            gateway: gateway.clone(),
            request: request.clone(),
            payload: payload.take(),
            exchange: Exchange::of(request),
        }))
    }
}

impl Call {
    /// What travels along to the services.
    pub(crate) fn context(&self) -> RequestContext {
        self.exchange.context()
    }

    /// The message for a service, with all that travels along.
    pub(crate) fn grpc<M>(&self, message: M) -> Result<tonic::Request<M>, Error> {
        self.context().request(message)
    }

    /// A parameter in the path.
    pub(crate) fn path<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, Error> {
        let text = self.request.match_info().query(name);
        text.parse().map_err(|error: T::Err| Error::invalid(name, error.to_string()))
    }

    /// The query; the caller takes what it knows, then finishes it.
    pub(crate) fn query(&self) -> Result<Query, Error> {
        Query::parse(self.request.query_string())
    }

    /// Refuses any query.
    pub(crate) fn no_query(&self) -> Result<(), Error> {
        self.query()?.finish()
    }

    /// The body, as a JSON object.
    pub(crate) async fn body<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let limit = self.gateway.http.body_limit_bytes;
        let body = body::read(&self.request, self.payload.take(), limit, self.exchange.deadline).await?;
        body::parse(&body)
    }

    /// `Idempotency-Key`, or `IDEMPOTENCY_KEY_MISSING`.
    pub(crate) fn idempotency_key(&self) -> Result<IdempotencyKey, Error> {
        match self.single_header(IDEMPOTENCY_KEY)? {
            Some(text) => text
                .parse()
                .map_err(|error: ids::ParseError| Error::invalid(IDEMPOTENCY_KEY, error.to_string())),
            None => {
                Err(Error::new(Reason::IdempotencyKeyMissing, "this call needs an Idempotency-Key header"))
            }
        }
    }

    /// The version in `If-Match`, or `VERSION_REQUIRED`.
    pub(crate) fn expected_version(&self) -> Result<u64, Error> {
        match self.single_header(header::IF_MATCH.as_str())? {
            Some(text) => conditions::parse_version_tag(text),
            None => {
                Err(Error::new(Reason::VersionRequired, "this call needs an If-Match header with the ETag"))
            }
        }
    }

    /// A header that must not stand there twice; bytes beyond visible ASCII come as an empty text, which no parser takes.
    fn single_header(&self, name: &str) -> Result<Option<&str>, Error> {
        let mut values = self.request.headers().get_all(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => Ok(Some(value.to_str().unwrap_or_default())),
            (Some(_), Some(_)) => Err(Error::invalid(name, "must stand there once")),
        }
    }
}
