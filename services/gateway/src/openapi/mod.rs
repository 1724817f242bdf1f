//! The OpenAPI 3.1 document, generated from the table of endpoints and the schemas of the bodies, so that it can't
//! diverge from the code.

mod answer;
mod operation;

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, Info, OpenApi, OpenApiBuilder, PathItem, Paths};

use crate::endpoint::Endpoint;
use crate::schema;
use operation::BEARER;

const DESCRIPTION: &str = "An order platform that does not oversell. Every JSON response is an envelope: `code`, \
    `message`, `data` and `requestId` on success; `code`, `reason`, `message`, `details` and `requestId` on failure. \
    `reason` is stable: clients should branch on it, not on `message`. With `Accept: application/problem+json`, \
    failures are returned as RFC 9457 problem details. A malformed id in a path fails with `VALIDATION_FAILED` for \
    that parameter. Well-formed `X-Request-Id` and `traceparent` headers are adopted and returned. Rate limits are \
    reported in `RateLimit` and `RateLimit-Policy`.";

/// The table of endpoints, for the handler that serves the document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table(pub(crate) &'static [Endpoint]);

/// Builds the document of these endpoints.
pub(crate) fn document(endpoints: &[Endpoint]) -> OpenApi {
    let mut components = Components::new();
    let bearer = Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    answer::add_schemas(&mut components);
    components.schemas.insert(schema::CURRENCY.to_owned(), schema::currencies());
    let mut paths = Paths::new();
    for endpoint in endpoints {
        let item = path_item(endpoint, &mut components);
        match paths.paths.get_mut(endpoint.path) {
            Some(there) => there.merge_operations(item),
            None => {
                paths.paths.insert(endpoint.path.to_owned(), item);
            }
        }
    }
    let mut info = Info::new("Fournines", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).build()
}

fn path_item(endpoint: &Endpoint, components: &mut Components) -> PathItem {
    PathItem::new(endpoint.verb.into(), operation::describe(endpoint, components))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::endpoint::Access;
    use crate::routes::endpoints;

    fn operations(document: &Value) -> BTreeSet<(String, String)> {
        let paths = document["paths"].as_object().unwrap();
        let of_path = |(path, item): (&String, &Value)| {
            let verbs: Vec<_> = item.as_object().unwrap().keys().map(|verb| verb.to_uppercase()).collect();
            verbs.into_iter().map(move |verb| (verb, path.clone())).collect::<Vec<_>>()
        };
        paths.iter().flat_map(of_path).collect()
    }

    #[test]
    fn the_document_and_the_table_have_the_same_operations() {
        let document = serde_json::to_value(document(endpoints())).unwrap();
        let table: BTreeSet<_> =
            endpoints().iter().map(|endpoint| (endpoint.verb.as_str().to_owned(), endpoint.path.to_owned())).collect();
        assert_eq!(operations(&document), table);
        assert_eq!(table.len(), endpoints().len(), "an operation is in the table twice");
        for endpoint in endpoints() {
            let operation = &document["paths"][endpoint.path][endpoint.verb.as_str().to_lowercase()];
            let is_secured = operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty());
            assert_eq!(is_secured, endpoint.access != Access::Public, "{}", endpoint.path);
            let has = |name: &str| {
                let parameters = operation["parameters"].as_array();
                parameters.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == name))
            };
            assert_eq!(has("Idempotency-Key"), endpoint.idempotent, "{}", endpoint.path);
            assert_eq!(has("If-Match"), endpoint.versioned, "{}", endpoint.path);
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{}", endpoint.path);
        }
    }

    #[test]
    fn a_success_has_the_status_and_headers_of_its_endpoint() {
        let document = serde_json::to_value(document(endpoints())).unwrap();
        for endpoint in endpoints() {
            let operation = &document["paths"][endpoint.path][endpoint.verb.as_str().to_lowercase()];
            let success = endpoint.success;
            let response = &operation["responses"][success.status.to_string()];
            assert!(response.is_object(), "{}", endpoint.path);
            let has_header = |name: &str| response["headers"].get(name).is_some();
            assert_eq!(has_header("Location"), success.location, "{}", endpoint.path);
            assert_eq!(has_header("ETag"), success.etag, "{}", endpoint.path);
            if success.data.is_some() && !success.raw {
                let code = "/content/application~1json/schema/properties/code/enum/0";
                assert_eq!(response.pointer(code), Some(&success.status.into()), "{}", endpoint.path);
            }
        }
        let started = &document["paths"]["/api/v1/reconciliations"]["post"];
        assert!(started["responses"]["202"]["headers"]["Location"].is_object());
        assert!(started.get("requestBody").is_none());
    }

    #[test]
    fn a_rate_limited_operation_documents_429_and_its_rate_limit_headers() {
        let document = serde_json::to_value(document(endpoints())).unwrap();
        for endpoint in endpoints() {
            let operation = &document["paths"][endpoint.path][endpoint.verb.as_str().to_lowercase()];
            let responses = operation["responses"].as_object().unwrap();
            assert_eq!(responses.contains_key("429"), endpoint.is_api(), "{}", endpoint.path);
            for response in responses.values() {
                for header in ["RateLimit", "RateLimit-Policy"] {
                    assert_eq!(response["headers"].get(header).is_some(), endpoint.is_api(), "{}", endpoint.path);
                }
            }
            if let Some(refusal) = responses.get("429") {
                assert!(refusal["headers"]["Retry-After"].is_object(), "{}", endpoint.path);
            }
            let success = &responses[&endpoint.success.status.to_string()];
            assert_eq!(success["headers"].get("Age").is_some(), endpoint.cached, "{}", endpoint.path);
        }
    }

    #[test]
    fn no_two_schemas_have_the_same_name() {
        let mut by_name = std::collections::BTreeMap::new();
        for endpoint in endpoints() {
            for shape in endpoint.body.into_iter().chain(endpoint.success.data) {
                let schema = serde_json::to_value((shape.schema)()).unwrap();
                let named = by_name.entry((shape.name)()).or_insert_with(|| schema.clone());
                assert_eq!(*named, schema, "{}", (shape.name)());
            }
        }
    }

    #[test]
    fn every_reference_resolves() {
        let document = serde_json::to_value(document(endpoints())).unwrap();
        let mut open = vec![&document];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(reference)) = map.get("$ref") {
                        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
                    }
                    open.extend(map.values());
                }
                Value::Array(list) => open.extend(list),
                _ => {}
            }
        }
    }

    #[test]
    fn request_bodies_reject_unknown_fields() {
        let document = serde_json::to_value(document(endpoints())).unwrap();
        for endpoint in endpoints().iter().filter(|endpoint| endpoint.body.is_some()) {
            let operation = &document["paths"][endpoint.path][endpoint.verb.as_str().to_lowercase()];
            let reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
            let schema = document.pointer(reference.unwrap().trim_start_matches('#')).unwrap();
            let closed = |schema: &Value| schema["additionalProperties"] == Value::Bool(false);
            let all_closed = match schema["oneOf"].as_array() {
                Some(variants) => variants.iter().all(closed),
                None => closed(schema),
            };
            assert!(all_closed, "{}: {schema}", endpoint.path);
        }
    }
}
