//! The routes, laid out like the URLs. Each file lists its endpoints and their handlers, which parse the request, call
//! one service, and convert its response.

mod balance;
mod docs;
mod fallback;
mod map;
mod meta;
mod orders;
mod paging;
mod payments;
mod products;
mod reconciliations;
mod sessions;
mod statements;
mod stock;
mod table;
mod users;

use actix_web::dev::ServiceRequest;
use actix_web::web::{self, ServiceConfig};

use crate::endpoint::Verb;
use crate::exchange::Target;
use crate::openapi::Table;
use fallback::{other_method, unknown_path};
pub use table::endpoints;

/// Registers the routes of the table.
pub(crate) fn register(config: &mut ServiceConfig) {
    for resource in map::resources() {
        let routes = web::resource(resource.pattern).default_service(web::to(other_method));
        let routes = resource
            .endpoints
            .iter()
            .fold(routes, |routes, endpoint| routes.route((endpoint.handler)().guard(endpoint.verb.guard())));
        config.service(routes);
    }
    docs::register(config);
    config.app_data(web::Data::new(Table(endpoints())));
    config.default_service(web::to(unknown_path));
}

/// Resolves the target of a request before it is routed.
pub(crate) fn target(request: &ServiceRequest) -> Target {
    // Decoded as the router does: `%6Frders` is `orders`.
    let path = request.match_info().as_str();
    if path == docs::ROOT || path.strip_prefix(docs::ROOT).is_some_and(|rest| rest.starts_with('/')) {
        return Target::Docs;
    }
    let Some(resource) = map::find(path) else { return Target::Nothing };
    let verb = Verb::answering(request.method().as_str());
    match resource.endpoints.iter().find(|endpoint| Some(endpoint.verb) == verb) {
        Some(endpoint) => Target::Endpoint(endpoint),
        None => Target::OtherMethod(resource),
    }
}
