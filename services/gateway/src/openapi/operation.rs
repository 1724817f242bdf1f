//! Describes one endpoint of the table as an OpenAPI operation.

use std::collections::BTreeMap;

use envelope::Reason;
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::{
    Components, ContentBuilder, Header, RefOr, Required, Response, ResponseBuilder, Schema, SecurityRequirement,
};

use crate::endpoint::{Access, Endpoint, Success, Verb};
use crate::openapi::answer;
use crate::schema;

/// The name of the security scheme: an access token.
pub(super) const BEARER: &str = "accessToken";
const JSON: &str = "application/json";
const PROBLEM_JSON: &str = "application/problem+json";
const ETAG: &str = "The entity tag of the returned version.";

pub(super) fn describe(endpoint: &Endpoint, components: &mut Components) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(endpoint.id))
        .summary(Some(endpoint.summary))
        .tag(tag(endpoint))
        .parameters(Some(parameters(endpoint)))
        .request_body(endpoint.body.map(|shape| body(shape.refer(components).into())))
        .response(endpoint.success.status.to_string(), success(endpoint, components));
    // Stated for public operations too, so that a missing requirement can't be mistaken for an omission.
    let security = (endpoint.access != Access::Public).then(|| SecurityRequirement::new(BEARER, Vec::<String>::new()));
    operation = operation.securities(Some(security));
    if endpoint.success.etag && endpoint.verb == Verb::Get {
        let mut unchanged = with_common_headers(endpoint, ResponseBuilder::new().description("Not modified."));
        if endpoint.cached {
            unchanged = with_cache_headers(unchanged);
        }
        operation = operation.response("304", unchanged.header("ETag", header(ETAG)).build());
    }
    for (status, reasons) in refusals(endpoint) {
        operation = operation.response(status.to_string(), failure(endpoint, &reasons));
    }
    operation.build()
}

/// The first segment of the path after the version.
fn tag(endpoint: &Endpoint) -> &'static str {
    let rest = endpoint.path.strip_prefix("/api/v1/").unwrap_or("operations");
    rest.split('/').next().unwrap_or(rest)
}

fn parameters(endpoint: &Endpoint) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    if endpoint.path.contains("{id}") {
        parameters.push(parameter(
            "id",
            ParameterIn::Path,
            Required::True,
            schema::uuid(),
            "The id of the resource, a UUID.",
        ));
    }
    if endpoint.path.contains("{sku}") {
        parameters.push(parameter("sku", ParameterIn::Path, Required::True, schema::sku(), "The SKU of the product."));
    }
    for query in &endpoint.query {
        let schema = (query.schema)();
        parameters.push(parameter(query.name, ParameterIn::Query, Required::False, schema, query.description));
    }
    let mut header = |name, required, schema, description| {
        parameters.push(parameter(name, ParameterIn::Header, required, schema, description))
    };
    if endpoint.idempotent {
        let description = "A key that the client chooses for this operation, 1 to 255 visible ASCII characters. \
            Repeating the request with the same key returns the first response without repeating its effect.";
        header("Idempotency-Key", Required::True, schema::idempotency_key(), description);
    }
    if endpoint.versioned {
        header("If-Match", Required::True, schema::version_tag(), "The `ETag` of the version to change.");
    }
    if endpoint.success.etag && endpoint.verb == Verb::Get {
        let description = "The `ETag` of the client's copy; the response is 304 while it is current.";
        header("If-None-Match", Required::False, schema::text(), description);
    }
    parameters
}

fn parameter(
    name: &str,
    location: ParameterIn,
    required: Required,
    schema: RefOr<Schema>,
    description: &str,
) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(location)
        .required(required)
        .schema(Some(schema))
        .description(Some(description))
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
            201 => "Created.",
            202 => "Accepted; poll `Location` for the result.",
            204 => "Succeeded; the response has no body.",
            _ => "Succeeded.",
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
        response = response.header("ETag", header(ETAG));
    }
    if location {
        response = response.header("Location", header("The path of the resource."));
    }
    if endpoint.idempotent {
        let mut replayed = Header::new(schema::constant("true"));
        replayed.description = Some("Present when the response repeats that of an earlier request.".to_owned());
        response = response.header("Idempotent-Replayed", replayed);
    }
    response.build()
}

fn failure(endpoint: &Endpoint, reasons: &[Reason]) -> Response {
    let names: Vec<_> = reasons.iter().map(|reason| reason.name()).collect();
    let mut response = with_common_headers(endpoint, ResponseBuilder::new().description(names.join(", ")))
        .content(JSON, ContentBuilder::new().schema(Some(answer::failure_for(reasons))).build())
        .content(PROBLEM_JSON, ContentBuilder::new().schema(Some(answer::problem_for(reasons))).build());
    if reasons.iter().any(|reason| matches!(reason.http_status().as_u16(), 409 | 429 | 503)) {
        response = response.header("Retry-After", header("The delay before the next attempt, in seconds."));
    }
    if reasons.iter().any(|reason| reason.http_status().as_u16() == 401) {
        response = response.header("WWW-Authenticate", header("The authentication scheme: `Bearer`."));
    }
    response.build()
}

fn with_common_headers(endpoint: &Endpoint, response: ResponseBuilder) -> ResponseBuilder {
    let id = "The id of the request: the client's, or a new one.";
    let trace = "The trace of the request, as in W3C Trace Context.";
    let mut response = response.header("X-Request-Id", header(id)).header("traceparent", header(trace));
    if endpoint.rate().is_some() {
        let state = "The requests that remain to the client (`r`) and the seconds until its quota grows (`t`).";
        let policy = "The quota: the number of requests (`q`) in a window of seconds (`w`).";
        response = response.header("RateLimit", header(state)).header("RateLimit-Policy", header(policy));
    }
    response
}

fn with_cache_headers(response: ResponseBuilder) -> ResponseBuilder {
    let status = "How the response was produced, as in RFC 9211: `fournines; hit` for a fresh copy; `fournines; \
        fwd=stale; detail=…` for a stale copy, served while the catalogue is unavailable or slow, or the gateway is \
        overloaded.";
    response.header("Cache-Status", header(status)).header("Age", header("The age of the copy, in seconds."))
}

fn header(description: &str) -> Header {
    let mut header = Header::new(schema::text());
    header.description = Some(description.to_owned());
    header
}

/// The reasons for which the operation may fail, by status: those of its kind, and those of the service behind it.
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
