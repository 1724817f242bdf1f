//! Endpoints outside the versioned API: health, keys and the OpenAPI document.

use std::sync::OnceLock;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use envelope::{Error, Reason};
use serde::Serialize;
use utoipa::openapi::schema::{AdditionalProperties, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::auth::{PublicKeys, no_keys_yet};
use crate::endpoint::{Access, Endpoint, OperationId, Verb};
use crate::input::Call;
use crate::openapi::{self, Table};
use crate::refusal::Refusal;
use crate::reply::Reply;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Get, "/healthz", Access::Public, OperationId::IsAlive, || web::to(is_alive))
            .summary("Reports whether the process is alive.")
            .gives::<Health>(),
        Endpoint::new(Verb::Get, "/readyz", Access::Public, OperationId::IsReady, || web::to(is_ready))
            .summary("Reports whether the process is ready to serve requests.")
            .gives::<Health>()
            .refuses(&[Reason::Unavailable]),
        Endpoint::new(Verb::Get, "/.well-known/jwks.json", Access::Public, OperationId::GetKeys, || web::to(get_keys))
            .summary("Returns the public keys of access tokens as a JSON Web Key Set, without the envelope.")
            .gives::<PublicKeys>()
            .raw()
            .refuses(&[Reason::Unavailable]),
        Endpoint::new(Verb::Get, "/openapi.json", Access::Public, OperationId::GetOpenApi, || web::to(get_openapi))
            .summary("Returns this OpenAPI document, without the envelope.")
            .gives::<OpenApiDocument>()
            .raw(),
    ]
}

#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `alive` or `ready`.
    status: &'static str,
}

/// An OpenAPI document: any object.
struct OpenApiDocument;

impl ToSchema for OpenApiDocument {}

impl PartialSchema for OpenApiDocument {
    fn schema() -> RefOr<Schema> {
        let any = Some(AdditionalProperties::FreeForm(true));
        ObjectBuilder::new().schema_type(Type::Object).additional_properties(any).into()
    }
}

async fn is_alive(call: Call) -> Result<Reply<Health>, Refusal> {
    call.no_query()?;
    Ok(Reply::ok(Health { status: "alive" }))
}

async fn is_ready(call: Call) -> Result<Reply<Health>, Refusal> {
    call.no_query()?;
    if call.gateway.readiness.is_ready() {
        Ok(Reply::ok(Health { status: "ready" }))
    } else {
        Err(Error::new(Reason::Unavailable, "the process is not ready").into())
    }
}

async fn get_keys(call: Call) -> Result<HttpResponse, Refusal> {
    call.no_query()?;
    let keys = call.gateway.keys.public().ok_or_else(no_keys_yet)?;
    Ok(HttpResponse::Ok().json(keys))
}

async fn get_openapi(call: Call, table: web::Data<Table>) -> Result<HttpResponse, Refusal> {
    static DOCUMENT: OnceLock<Result<Bytes, serde_json::Error>> = OnceLock::new();
    call.no_query()?;
    match DOCUMENT.get_or_init(|| openapi::document(table.0).to_json().map(Bytes::from)) {
        Ok(document) => Ok(HttpResponse::build(StatusCode::OK).content_type("application/json").body(document.clone())),
        Err(error) => Err(Error::internal(error.to_string()).into()),
    }
}
