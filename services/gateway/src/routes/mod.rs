//! The routes, laid out like the URLs. Each file lists its endpoints and their handlers, which parse the request, call
//! one service, and convert its response.

mod balance;
mod docs;
mod map;
mod meta;
mod orders;
mod payments;
mod products;
mod reconciliations;
mod sessions;
mod statements;
mod stock;
mod users;

use std::sync::LazyLock;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::HeaderValue;
use actix_web::web::{self, ServiceConfig};

pub(crate) use docs::DOCS;

use crate::endpoint::{Endpoint, QueryParameter, Verb};
use crate::exchange::Target;
use crate::openapi::schema;
use crate::refusal::{self, Refusal};

/// The parameters of every list.
const PAGE: [QueryParameter; 2] = [
    QueryParameter {
        name: "pageSize",
        description: "The maximum number of items to return.",
        schema: schema::page_size,
    },
    QueryParameter {
        name: "pageToken",
        description: "The `nextPageToken` of the previous page: opaque, valid for the same list and user for 24 hours.",
        schema: schema::page_token,
    },
];

/// Every endpoint, in the order of the contract.
pub fn endpoints() -> &'static [Endpoint] {
    static TABLE: LazyLock<Vec<Endpoint>> = LazyLock::new(|| {
        let parts = [
            users::endpoints(),
            balance::endpoints(),
            sessions::endpoints(),
            products::endpoints(),
            stock::endpoints(),
            orders::endpoints(),
            payments::endpoints(),
            statements::endpoints(),
            reconciliations::endpoints(),
            meta::endpoints(),
        ];
        let numbered = parts.into_iter().flatten().enumerate();
        numbered.map(|(number, endpoint)| endpoint.numbered(number)).collect()
    });
    &TABLE
}

/// Registers the routes of the table.
pub(crate) fn register(config: &mut ServiceConfig) {
    for place in map::places() {
        let resource = web::resource(place.pattern).default_service(web::to(other_method));
        config.service(
            place
                .calls
                .iter()
                .fold(resource, |resource, endpoint| resource.route((endpoint.handler)().guard(endpoint.verb.guard()))),
        );
    }
    docs::register(config);
    config.default_service(web::to(unknown_path));
}

/// Resolves the target of a request before it is routed.
pub(crate) fn target(request: &ServiceRequest) -> Target {
    // Decoded as the router does: `%6Frders` is `orders`.
    let path = request.match_info().as_str();
    if path == docs::ROOT || path.strip_prefix(docs::ROOT).is_some_and(|rest| rest.starts_with('/')) {
        return Target::Docs;
    }
    let Some(place) = map::find(path) else { return Target::Nothing };
    let verb = Verb::answering(request.method().as_str());
    match place.calls.iter().find(|endpoint| Some(endpoint.verb) == verb) {
        Some(endpoint) => Target::Endpoint(endpoint),
        None => Target::OtherMethod(place.pattern),
    }
}

/// `Allow` for a path that does not support the requested method.
pub(crate) fn allowed(target: Target) -> Option<HeaderValue> {
    let mut verbs: Vec<Verb> = match target {
        Target::OtherMethod(path) => map::find(path)?.calls.iter().map(|endpoint| endpoint.verb).collect(),
        Target::Docs => vec![Verb::Get],
        Target::Endpoint(_) | Target::Nothing => return None,
    };
    verbs.sort_unstable();
    let names = verbs.into_iter().flat_map(|verb| match verb {
        Verb::Get => vec!["GET", "HEAD"],
        Verb::Post | Verb::Patch | Verb::Delete => vec![verb.as_str()],
    });
    HeaderValue::from_str(&names.collect::<Vec<_>>().join(", ")).ok()
}

async fn other_method() -> Result<&'static str, Refusal> {
    Err(refusal::method_not_allowed().into())
}

async fn unknown_path() -> Result<&'static str, Refusal> {
    Err(refusal::not_found().into())
}
