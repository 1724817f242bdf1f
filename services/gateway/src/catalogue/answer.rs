//! Renders a copy as a response, with the cache headers of RFC 9111 and RFC 9211.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder};

use crate::catalogue::snapshot::Snapshot;
use crate::entity_tag::is_match;
use crate::exchange::Exchange;
use crate::reply::{JSON, REVALIDATE};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// A copy, and how it was obtained.
#[derive(Debug)]
pub(crate) struct Answer {
    copy: Arc<Snapshot>,
    how: How,
}

/// How a copy was obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// From a fresh copy.
    Hit,
    /// From inventory: there was no copy.
    Missed,
    /// From inventory: the copy was stale.
    Refreshed,
    /// From inventory: the client requested it.
    Requested,
    /// From inventory: the caller is an administrator.
    Bypassed,
    /// From a stale copy: inventory is unavailable.
    Unavailable,
    /// From a stale copy: inventory is slow.
    Slow,
    /// From a stale copy: the gateway is overloaded.
    Overloaded,
}

impl How {
    /// Whether it was served without a response from inventory.
    fn is_kept(self) -> bool {
        matches!(self, Self::Hit | Self::Unavailable | Self::Slow | Self::Overloaded)
    }

    /// The value of `Cache-Status`.
    fn status(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Hit => "fournines; hit",
            Self::Missed => "fournines; fwd=miss; stored",
            Self::Refreshed => "fournines; fwd=stale; fwd-status=200; stored",
            Self::Requested => "fournines; fwd=request; stored",
            Self::Bypassed => "fournines; fwd=bypass; stored",
            Self::Unavailable => "fournines; fwd=stale; detail=inventory-unavailable",
            Self::Slow => "fournines; fwd=stale; detail=inventory-slow",
            Self::Overloaded => "fournines; fwd=stale; detail=overloaded",
        })
    }

    /// The label of the counter.
    fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Missed => "miss",
            Self::Refreshed => "refresh",
            Self::Requested => "request",
            Self::Bypassed => "bypass",
            Self::Unavailable => "stale_unavailable",
            Self::Slow => "stale_slow",
            Self::Overloaded => "stale_overloaded",
        }
    }
}

impl Answer {
    pub(super) fn new(copy: Arc<Snapshot>, how: How) -> Self {
        Self { copy, how }
    }

    /// The length of its JSON in bytes, without the request id.
    pub(crate) fn text_length(&self) -> usize {
        self.copy.text_length()
    }

    /// Counts it as a catalogue read.
    pub(crate) fn count(&self) {
        metrics::counter!("gateway_catalogue_reads_total", "by" => self.how.name()).increment(1);
    }

    /// The response to a request with these headers and this id: 200, or 304 if the client's copy is current.
    pub(crate) fn render(&self, headers: &HeaderMap, request_id: &str) -> HttpResponse {
        let Self { copy, how } = self;
        let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let tag = copy.etag.to_str().unwrap_or_default();
        let mut response = if known.is_some_and(|known| is_match(known, tag)) {
            HttpResponse::new(StatusCode::NOT_MODIFIED)
        } else {
            let mut response = HttpResponse::new(StatusCode::OK).set_body(copy.json.with(request_id));
            response.headers_mut().insert(header::CONTENT_TYPE, JSON);
            response.map_into_boxed_body()
        };
        let out = response.headers_mut();
        out.insert(header::ETAG, copy.etag.clone());
        out.insert(header::CACHE_CONTROL, REVALIDATE);
        out.insert(CACHE_STATUS, how.status());
        if how.is_kept() {
            out.insert(header::AGE, HeaderValue::from(copy.age().as_secs()));
        }
        response
    }
}

impl Responder for Answer {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let exchange = Exchange::of(request);
        self.count();
        if self.how.is_kept() {
            exchange.leave_out_of_latency();
        }
        self.render(request.headers(), &exchange.request_id)
    }
}
