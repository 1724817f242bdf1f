//! One operation out of one endpoint of the table.

use std::collections::BTreeMap;

use envelope::Reason;
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::{
    Components, ContentBuilder, Header, RefOr, Required, Response, ResponseBuilder, Schema, SecurityRequirement,
};

use crate::endpoint::{Access, Endpoint, Success, Verb};
use crate::openapi::{BEARER, answer, schema};

const JSON: &str = "application/json";
const PROBLEM_JSON: &str = "application/problem+json";

pub(super) fn describe(endpoint: &Endpoint, components: &mut Components) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(endpoint.id))
        .summary(Some(endpoint.summary))
        .tag(tag(endpoint))
        .parameters(Some(parameters(endpoint)))
        .request_body(endpoint.body.map(|shape| body(shape.refer(components).into())))
        .response(endpoint.success.status.to_string(), success(endpoint, components));
    // Said also where it is none, so that nobody has to wonder whether it was forgotten.
    let security = (endpoint.access != Access::Public).then(|| SecurityRequirement::new(BEARER, Vec::<String>::new()));
    operation = operation.securities(Some(security));
    if endpoint.success.etag && endpoint.verb == Verb::Get {
        let mut unchanged = with_common_headers(endpoint, ResponseBuilder::new().description("Unchanged."));
        if endpoint.cached {
            unchanged = with_cache_headers(unchanged);
        }
        operation = operation.response("304", unchanged.header("ETag", header(schema::text())).build());
    }
    for (status, reasons) in refusals(endpoint) {
        operation = operation.response(status.to_string(), failure(endpoint, &reasons));
    }
    operation.build()
}

/// The first part of the path after the version.
fn tag(endpoint: &Endpoint) -> &'static str {
    let rest = endpoint.path.strip_prefix("/api/v1/").unwrap_or("operations");
    rest.split('/').next().unwrap_or(rest)
}

fn parameters(endpoint: &Endpoint) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    if endpoint.path.contains("{id}") {
        parameters.push(parameter("id", ParameterIn::Path, Required::True, schema::uuid(), "The id."));
    }
    if endpoint.path.contains("{sku}") {
        parameters.push(parameter("sku", ParameterIn::Path, Required::True, schema::sku(), "The SKU."));
    }
    for query in &endpoint.query {
        let schema = (query.schema)();
        parameters.push(parameter(query.name, ParameterIn::Query, Required::False, schema, query.description));
    }
    let mut header = |name, required, schema, description| {
        parameters.push(parameter(name, ParameterIn::Header, required, schema, description))
    };
    if endpoint.idempotent {
        let what = "The client's name for this one intended effect: sent again, it gives the first answer again.";
        header("Idempotency-Key", Required::True, schema::idempotency_key(), what);
    }
    if endpoint.versioned {
        header("If-Match", Required::True, schema::version_tag(), "The ETag of what the change is based on.");
    }
    if endpoint.success.etag && endpoint.verb == Verb::Get {
        header("If-None-Match", Required::False, schema::text(), "The ETag of what the client has already.");
    }
    parameters
}

fn parameter(name: &str, place: ParameterIn, required: Required, schema: RefOr<Schema>, what: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .schema(Some(schema))
        .description(Some(what))
        .build()
}

fn body(schema: RefOr<Schema>) -> RequestBody {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    RequestBodyBuilder::new().content(JSON, content).required(Some(Required::True)).build()
}

fn success(endpoint: &Endpoint, components: &mut Components) -> Response {
    let Success { status, data, raw, location, etag } = endpoint.success;
    let mut response = with_common_headers(
        endpoint,
        ResponseBuilder::new().description(match status {
            201 => "Made.",
            202 => "Asked for; `Location` tells what becomes of it.",
            204 => "Done; there is no body.",
            _ => "Done.",
        }),
    );
    if endpoint.cached {
        response = with_cache_headers(response);
    }
    if let Some(data) = data.map(|shape| shape.refer(components)) {
        let schema = if raw { data.into() } else { answer::success(status, data) };
        response = response.content(JSON, ContentBuilder::new().schema(Some(schema)).build());
    }
    if etag {
        response = response.header("ETag", header(schema::text()));
    }
    if location {
        response = response.header("Location", header(schema::text()));
    }
    if endpoint.idempotent {
        response = response.header("Idempotent-Replayed", header(schema::constant("true")));
    }
    response.build()
}

fn failure(endpoint: &Endpoint, reasons: &[Reason]) -> Response {
    let names: Vec<_> = reasons.iter().map(|reason| reason.name()).collect();
    let mut response = with_common_headers(endpoint, ResponseBuilder::new().description(names.join(", ")))
        .content(JSON, ContentBuilder::new().schema(Some(answer::failure_for(reasons))).build())
        .content(PROBLEM_JSON, ContentBuilder::new().schema(Some(answer::problem_for(reasons))).build());
    if reasons.iter().any(|reason| matches!(reason.http_status().as_u16(), 409 | 429 | 503)) {
        response = response.header("Retry-After", header(schema::text()));
    }
    if reasons.iter().any(|reason| reason.http_status().as_u16() == 401) {
        response = response.header("WWW-Authenticate", header(schema::text()));
    }
    response.build()
}

fn with_common_headers(endpoint: &Endpoint, response: ResponseBuilder) -> ResponseBuilder {
    let mut response =
        response.header("X-Request-Id", header(schema::text())).header("traceparent", header(schema::text()));
    if endpoint.rate().is_some() {
        let state = "What is left of the client's limit (`r`), and in how many seconds there is more (`t`).";
        let policy = "The limit: so many requests (`q`) in so many seconds (`w`).";
        response = response.header("RateLimit", explained(state)).header("RateLimit-Policy", explained(policy));
    }
    response
}

fn with_cache_headers(response: ResponseBuilder) -> ResponseBuilder {
    let status = "Whether this is a copy, after RFC 9211: `fournines; hit`, or `fournines; fwd=stale; detail=…` for an \
        old one, when the catalogue can't be asked or there is too much to do.";
    response.header("Cache-Status", explained(status)).header("Age", explained("How old a copy is, in seconds."))
}

fn explained(what: &str) -> Header {
    let mut header = header(schema::text());
    header.description = Some(what.to_owned());
    header
}

fn header(schema: RefOr<Schema>) -> Header {
    Header::new(schema)
}

/// Why the call may be refused, by status: what its kind brings with it, and what the service behind says.
fn refusals(endpoint: &Endpoint) -> BTreeMap<u16, Vec<Reason>> {
    use Reason::{
        BodyTooLarge, DeadlineExceeded, Forbidden, IdempotencyInFlight, IdempotencyKeyMissing, IdempotencyKeyReused,
        Internal, InvalidPageToken, MalformedBody, NotAcceptable, Overloaded, RateLimited, TokenExpired,
        Unauthenticated, Unavailable, UnsupportedMediaType, ValidationFailed, VersionMismatch, VersionRequired,
    };
    let mut reasons = vec![ValidationFailed, NotAcceptable, Internal];
    let mut also = |applies: bool, more: &[Reason]| {
        if applies {
            reasons.extend_from_slice(more);
        }
    };
    also(endpoint.is_api(), &[Unavailable, Overloaded, DeadlineExceeded]);
    also(endpoint.rate().is_some(), &[RateLimited]);
    also(endpoint.access != Access::Public, &[Unauthenticated, TokenExpired]);
    also(endpoint.access == Access::Admin, &[Forbidden]);
    also(endpoint.body.is_some(), &[MalformedBody, BodyTooLarge, UnsupportedMediaType]);
    also(endpoint.idempotent, &[IdempotencyKeyMissing, IdempotencyInFlight, IdempotencyKeyReused]);
    also(endpoint.versioned, &[VersionRequired, VersionMismatch]);
    also(endpoint.query.iter().any(|query| query.name == "pageToken"), &[InvalidPageToken]);
    also(true, endpoint.refusals);
    let mut by_status: BTreeMap<u16, Vec<Reason>> = BTreeMap::new();
    for reason in reasons {
        by_status.entry(reason.http_status().as_u16()).or_default().push(reason);
    }
    by_status
}
