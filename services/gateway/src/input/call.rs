//! A request as handlers receive it.

use std::fmt::Display;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::str::FromStr;
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use envelope::{Error, Reason};
use primitives::IdempotencyKey;
use serde::de::DeserializeOwned;

use crate::catalogue::{Answer, Snapshot, Wish};
use crate::entity_tag::parse_version_tag;
use crate::exchange::Exchange;
use crate::input::body;
use crate::input::query::Query;
use crate::refusal::Refusal;
use crate::state::Gateway;
use crate::upstreams::Services;

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// A body that takes longer to arrive is excluded from latency: it measures the client's connection.
const PROMPT: Duration = Duration::from_millis(5);

/// A request, with the state needed to answer it.
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
    /// The services, called in the context of this request.
    pub(crate) fn services(&self) -> Services {
        self.gateway.upstreams.under(self.exchange.context())
    }

    /// Reads the catalogue: a cached copy, or the response to `ask`, which is shared between callers.
    pub(crate) async fn read_catalogue<F>(&self, key: String, ask: impl FnOnce(Services) -> F) -> Result<Answer, Error>
    where
        F: Future<Output = Result<Snapshot, Error>> + Send + 'static,
    {
        let services = self.gateway.upstreams.under(self.exchange.shared_context());
        let (wish, deadline) = (self.wish(), self.exchange.deadline);
        self.gateway.catalogue.read(key, wish, deadline, ask(services)).await
    }

    fn wish(&self) -> Wish {
        let controls = self.request.headers().get_all(header::CACHE_CONTROL);
        let mut controls = controls.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        if self.exchange.client().is_some_and(|caller| caller.is_admin()) {
            Wish::Bypass
        } else if controls.any(|control| control.trim().eq_ignore_ascii_case("no-cache")) {
            Wish::Newest
        } else {
            Wish::Any
        }
    }

    /// A parameter in the path.
    pub(crate) fn path<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, Error> {
        let text = self.request.match_info().query(name);
        text.parse().map_err(|error: T::Err| Error::invalid(name, error.to_string()))
    }

    /// The query. The caller takes the parameters that it knows, then calls [`Query::finish`].
    pub(crate) fn query(&self) -> Result<Query, Error> {
        Query::parse(self.request.query_string())
    }

    /// Rejects any query parameter.
    pub(crate) fn no_query(&self) -> Result<(), Error> {
        self.query()?.finish()
    }

    /// The body, as a JSON object.
    pub(crate) async fn body<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let limit = self.gateway.http.body_limit_bytes;
        let began = Instant::now();
        let body = body::read(&self.request, self.payload.take(), limit, self.exchange.deadline).await;
        if began.elapsed() > PROMPT {
            self.exchange.leave_out_of_latency();
        }
        body::parse(&body?)
    }

    /// `Idempotency-Key`, or `IDEMPOTENCY_KEY_MISSING`.
    pub(crate) fn idempotency_key(&self) -> Result<IdempotencyKey, Error> {
        match self.single_header(IDEMPOTENCY_KEY)? {
            Some(text) => {
                text.parse().map_err(|error: primitives::ParseError| Error::invalid(IDEMPOTENCY_KEY, error.to_string()))
            }
            None => Err(Error::new(Reason::IdempotencyKeyMissing, "the Idempotency-Key header is required")),
        }
    }

    /// The version in `If-Match`, or `VERSION_REQUIRED`.
    pub(crate) fn expected_version(&self) -> Result<u64, Error> {
        match self.single_header(header::IF_MATCH.as_str())? {
            Some(text) => parse_version_tag(text),
            None => Err(Error::new(Reason::VersionRequired, "the If-Match header with the current ETag is required")),
        }
    }

    /// A header that must not be repeated. A value with bytes beyond visible ASCII becomes an empty string, which every
    /// parser rejects.
    fn single_header(&self, name: &str) -> Result<Option<&str>, Error> {
        let mut values = self.request.headers().get_all(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => Ok(Some(value.to_str().unwrap_or_default())),
            (Some(_), Some(_)) => Err(Error::invalid(name, "must not be repeated")),
        }
    }
}
