//! The fast path: a catalogue read in canonical form with a fresh copy. It bypasses the other layers, so it handles
//! only requests that they would accept; all others are passed on to them.
//!
//! It needs no admission: a refusal would cost as much as the response. For the same reason it serves a stale copy, if
//! there is one, when admission is denied.

use std::time::Instant;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpResponse, web};

use super::access::CachedReads;
use super::{headers, identity, refuse};
use crate::auth::bearer_token;
use crate::catalogue::Answer;
use crate::endpoint::Rate;
use crate::exchange::{Exchange, client_address};
use crate::limits::Client;
use crate::middleware::{COMPRESS_FROM, takes_json};
use crate::state::Gateway;

const PRODUCTS: &str = "/api/v1/products";

/// The fast path of one worker.
#[derive(Debug)]
pub(super) struct FastPath {
    gateway: web::Data<Gateway>,
    reads: CachedReads,
}

impl FastPath {
    pub(super) fn new(gateway: web::Data<Gateway>) -> Self {
        let reads = CachedReads::new(gateway.access_log.cached_one_in);
        Self { gateway, reads }
    }

    /// The response, if the fast path applies: the copy, or `RATE_LIMITED`.
    pub(super) fn answer(&self, request: &ServiceRequest, arrived: Instant) -> Option<HttpResponse> {
        let target = target(request)?;
        let headers = request.headers();
        if !is_plain(headers) {
            return None;
        }
        let answer = self.gateway.catalogue.fresh(target)?;
        if answer.text_length() >= COMPRESS_FROM && headers.contains_key(header::ACCEPT_ENCODING) {
            return None;
        }
        let peer = request.peer_addr().map(|peer| peer.ip());
        let client = Client::at(client_address(peer, headers, self.gateway.http.trusted_proxy_hops));
        Some(self.render(&answer, &client, &identity::request_id(headers), request, arrived))
    }

    /// Serves a stale copy when admission is denied, unless the client requires a fresh response.
    pub(super) fn stale_answer(
        &self,
        request: &ServiceRequest,
        exchange: &Exchange,
        arrived: Instant,
    ) -> Option<HttpResponse> {
        let target = target(request)?;
        let headers = request.headers();
        if headers.contains_key(header::CACHE_CONTROL) || !takes_plain_json(headers) {
            return None;
        }
        let answer = self.gateway.catalogue.kept(target)?;
        let caller = bearer_token(headers).ok().and_then(|token| self.gateway.keys.recognise(token));
        if caller.is_some_and(|caller| caller.is_admin()) {
            return None;
        }
        let client = Client::of(caller, exchange.client_address);
        let response = self.render(&answer, &client, &exchange.request_id, request, arrived);
        if !response.status().is_client_error() {
            answer.count();
        }
        Some(response)
    }

    /// Renders the copy, or `RATE_LIMITED`.
    fn render(
        &self,
        answer: &Answer,
        client: &Client,
        id: &str,
        request: &ServiceRequest,
        arrived: Instant,
    ) -> HttpResponse {
        let headers = request.headers();
        let taken = self.gateway.limits.rates.take(Rate::Browse, client);
        let refused = taken.refusal();
        let mut response = match &refused {
            Some(error) => refuse::answer(error, &self.gateway, headers, id),
            None => {
                let mut response = answer.render(headers, id);
                headers::complete(response.headers_mut(), &self.gateway, headers, id);
                response
            }
        };
        taken.tell(response.headers_mut());
        self.reads.count(request.uri().path() != PRODUCTS, response.status(), arrived, id);
        response
    }
}

/// The key of the copy for a request: its path and query, unparsed. Requests in another form find no copy and are
/// passed on.
fn target(request: &ServiceRequest) -> Option<&str> {
    let target = request.uri().path_and_query()?.as_str();
    (request.method() == Method::GET && target.starts_with(PRODUCTS)).then_some(target)
}

/// Whether the headers allow the fast path: no credentials, no cache directives, no cross-origin request, and plain
/// JSON is accepted.
fn is_plain(headers: &HeaderMap) -> bool {
    let excluded = [header::AUTHORIZATION, header::CACHE_CONTROL, header::ORIGIN];
    if excluded.iter().any(|name| headers.contains_key(name)) {
        return false;
    }
    takes_plain_json(headers)
}

fn takes_plain_json(headers: &HeaderMap) -> bool {
    // A weight may exclude the identity encoding.
    let weighs = |value: &header::HeaderValue| value.as_bytes().contains(&b';');
    !headers.get_all(header::ACCEPT_ENCODING).any(weighs) && takes_json(headers)
}
