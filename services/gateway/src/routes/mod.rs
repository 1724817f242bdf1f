//! The routes, laid out like the URLs. Each file lists its endpoints and holds their handlers, which parse, call one
//! service, and convert its answer.

mod balance;
mod docs;
mod meta;
mod orders;
mod payments;
mod products;
mod reconciliations;
mod sessions;
mod statements;
mod stock;
mod users;

use std::collections::BTreeMap;
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
    QueryParameter { name: "pageSize", description: "How many items at most.", schema: schema::page_size },
    QueryParameter {
        name: "pageToken",
        description: "`nextPageToken` of the part before; opaque, and good for this list only.",
        schema: schema::page_token,
    },
];

/// Every call, in the order of the contract.
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
        parts.into_iter().flatten().collect()
    });
    &TABLE
}

/// The calls by path.
fn by_path() -> &'static BTreeMap<&'static str, Vec<&'static Endpoint>> {
    static INDEX: LazyLock<BTreeMap<&'static str, Vec<&'static Endpoint>>> = LazyLock::new(|| {
        let mut index: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for endpoint in endpoints() {
            index.entry(endpoint.path).or_default().push(endpoint);
        }
        index
    });
    &INDEX
}

/// Makes the routes out of the table.
pub(crate) fn register(config: &mut ServiceConfig) {
    for (path, endpoints) in by_path() {
        let resource = web::resource(*path).default_service(web::to(other_method));
        config.service(endpoints.iter().fold(resource, |resource, endpoint| {
            resource.route((endpoint.handler)().guard(endpoint.verb.guard()))
        }));
    }
    docs::register(config);
    config.default_service(web::to(nothing));
}

/// What a request leads to, before it is routed.
pub(crate) fn target(request: &ServiceRequest) -> Target {
    let Some(pattern) = request.match_pattern() else { return Target::Nothing };
    if pattern.starts_with(docs::ROOT) {
        return Target::Docs;
    }
    let Some((path, endpoints)) = by_path().get_key_value(pattern.as_str()) else { return Target::Nothing };
    let verb = Verb::answering(request.method().as_str());
    match endpoints.iter().find(|endpoint| Some(endpoint.verb) == verb) {
        Some(endpoint) => Target::Endpoint(endpoint),
        None => Target::OtherMethod(path),
    }
}

/// `Allow` for a path that does not take the method asked for.
pub(crate) fn allowed(target: Target) -> Option<HeaderValue> {
    let mut verbs: Vec<Verb> = match target {
        Target::OtherMethod(path) => by_path().get(path)?.iter().map(|endpoint| endpoint.verb).collect(),
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

async fn nothing() -> Result<&'static str, Refusal> {
    Err(refusal::not_found().into())
}
