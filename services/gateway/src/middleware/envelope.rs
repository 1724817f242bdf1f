//! Renders the failures of all inner layers in the envelope, logs internal errors once, and adds the security headers
//! to every response.

use std::error::Error as _;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};

use crate::exchange::Exchange;
use crate::middleware::compression;
use crate::refusal::{self, Refusal};
use crate::reply::Rendered;
use crate::security_headers::set_security_headers;
use crate::state::Gateway;

pub(crate) async fn envelope(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let exchange = Exchange::of(&request);
    let hsts = request.app_data::<web::Data<Gateway>>().and_then(|gateway| gateway.hsts.clone());
    match next.call(request).await {
        Ok(mut response) => {
            let status = response.status();
            let headers = response.headers_mut();
            compression::unmark(headers);
            let failed = status.is_client_error() || status.is_server_error();
            if failed {
                headers.remove(header::CACHE_CONTROL);
            }
            set_security_headers(headers, exchange.target, hsts.as_ref());
            if !failed {
                return Ok(response.map_into_boxed_body());
            }
            let rendered = render(response.response().error(), status, &exchange);
            let (request, response) = response.into_parts();
            Ok(ServiceResponse::new(request, rendered.replace(response)))
        }
        Err(mut error) => {
            let rendered = render(Some(&error), error.as_response_error().status_code(), &exchange);
            error.add_response_mapper(move |response: HttpResponse| rendered.replace(response));
            Err(error)
        }
    }
}

fn render(error: Option<&Error>, status: StatusCode, exchange: &Exchange) -> Rendered {
    if let Some(Refusal(error)) = error.and_then(|error| error.as_error()) {
        // An error without a source comes from a service, which has logged it.
        if error.is_server_fault() && error.source().is_some() {
            tracing::warn!(reason = error.reason().name(), error = ?error, "request failed");
        }
        return rendered(error, exchange);
    }
    if let Some(error) = error.and_then(|error| error.as_error::<actix_cors::CorsError>()) {
        tracing::debug!(%error, "cross-origin request rejected");
        return rendered(&refusal::foreign(StatusCode::FORBIDDEN), exchange);
    }
    let foreign = refusal::foreign(status);
    if foreign.is_server_fault() {
        tracing::warn!(status = status.as_u16(), error = ?error, "request failed");
    }
    rendered(&foreign, exchange)
}

fn rendered(error: &envelope::Error, exchange: &Exchange) -> Rendered {
    exchange.set_failure(error.reason());
    Rendered::new(error, exchange)
}
