//! The shortest way to an answer: a read that is spelled in the plainest way, of which there is a fresh copy. It passes
//! no other layer, so it is only for requests that those would let pass; all others go on to them.
//!
//! It needs no leave either: to refuse it would cost as much as to answer it. For the same reason a read that gets no
//! leave is answered with an older copy where there is one.

use std::time::Instant;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpResponse, web};

use super::access::CachedReads;
use super::{headers, identity, refuse};
use crate::app::Gateway;
use crate::auth::bearer_token;
use crate::catalogue::Answer;
use crate::endpoint::Rate;
use crate::exchange::{Exchange, client_address};
use crate::limits::Client;
use crate::middleware::{COMPRESS_FROM, takes_json};

const PRODUCTS: &str = "/api/v1/products";

/// The way, as one worker goes it.
#[derive(Debug)]
pub(super) struct Quick {
    gateway: web::Data<Gateway>,
    reads: CachedReads,
}

impl Quick {
    pub(super) fn new(gateway: web::Data<Gateway>) -> Self {
        let reads = CachedReads::new(gateway.access_log.cached_one_in);
        Self { gateway, reads }
    }

    /// The answer, when it can be given so: the copy, or `RATE_LIMITED`.
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
        Some(self.give(&answer, &client, &identity::request_id(headers), request, arrived))
    }

    /// What a read that has no leave to go on gets instead of `OVERLOADED`: the copy, however old, as it lies there.
    /// Not for those who want the newest.
    pub(super) fn instead(
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
        let response = self.give(&answer, &client, &exchange.request_id, request, arrived);
        if !response.status().is_client_error() {
            answer.count();
        }
        Some(response)
    }

    /// The answer, or `RATE_LIMITED`.
    fn give(
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

/// The key of the copy that a request may want. As it came: what is spelled otherwise is not found, and parsed further
/// on.
fn target(request: &ServiceRequest) -> Option<&str> {
    let target = request.uri().path_and_query()?.as_str();
    (request.method() == Method::GET && target.starts_with(PRODUCTS)).then_some(target)
}

/// Whether nothing in the headers asks for more than a copy as it lies there: nobody is named, who may see more; no
/// cache is told how to behave; no other origin; JSON is taken, and as it is.
fn is_plain(headers: &HeaderMap) -> bool {
    let says_more = [header::AUTHORIZATION, header::CACHE_CONTROL, header::ORIGIN];
    if says_more.iter().any(|name| headers.contains_key(name)) {
        return false;
    }
    takes_plain_json(headers)
}

fn takes_plain_json(headers: &HeaderMap) -> bool {
    // A weight may forbid what is plain.
    let weighs = |value: &header::HeaderValue| value.as_bytes().contains(&b';');
    !headers.get_all(header::ACCEPT_ENCODING).any(weighs) && takes_json(headers)
}
