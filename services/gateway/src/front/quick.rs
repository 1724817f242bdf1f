//! The shortest way to an answer: a read that is spelled in the plainest way, of which there is a fresh copy. It passes no
//! other layer, so it is only for requests that those would let pass; all others go on to them.
//!
//! It needs no leave either: to refuse it would cost as much as to answer it.

use std::time::Instant;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpResponse, web};

use super::access::CachedReads;
use super::{headers, identity, refuse};
use crate::app::Gateway;
use crate::catalogue::Answer;
use crate::endpoint::Rate;
use crate::exchange::client_address;
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
        if request.method() != Method::GET {
            return None;
        }
        // As it came: what is spelled otherwise is not found, and parsed further on.
        let target = request.uri().path_and_query()?.as_str();
        let rest = target.strip_prefix(PRODUCTS)?;
        let headers = request.headers();
        if !is_plain(headers) {
            return None;
        }
        let copy = self.gateway.catalogue.fresh(target)?;
        if copy.text_length() >= COMPRESS_FROM && headers.contains_key(header::ACCEPT_ENCODING) {
            return None;
        }
        let id = identity::request_id(headers);
        let peer = request.peer_addr().map(|peer| peer.ip());
        let client = Client::at(client_address(peer, headers, self.gateway.http.trusted_proxy_hops));
        let taken = self.gateway.limits.rates.take(Rate::Browse, &client);
        let refused = taken.refusal();
        let mut response = match &refused {
            Some(error) => refuse::answer(error, &self.gateway, headers, &id),
            None => {
                let mut response = Answer::hit(copy).render(headers, &id);
                headers::complete(response.headers_mut(), &self.gateway, headers, &id);
                response
            }
        };
        taken.tell(response.headers_mut());
        self.reads.count(rest.starts_with('/'), response.status(), arrived, &id);
        Some(response)
    }
}

/// Whether nothing in the headers asks for more than a copy as it lies there: nobody is named, who may see more; no cache
/// is told how to behave; no other origin; JSON is taken, and as it is.
fn is_plain(headers: &HeaderMap) -> bool {
    let says_more = [header::AUTHORIZATION, header::CACHE_CONTROL, header::ORIGIN];
    if says_more.iter().any(|name| headers.contains_key(name)) {
        return false;
    }
    // A weight may forbid what is plain.
    let weighs = |value: &header::HeaderValue| value.as_bytes().contains(&b';');
    !headers.get_all(header::ACCEPT_ENCODING).any(weighs) && takes_json(headers)
}
