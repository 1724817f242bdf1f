//! Catches panics: the request fails with `INTERNAL`, and the process continues.

use std::panic::AssertUnwindSafe;

use actix_web::Error;
use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use futures::FutureExt as _;

use crate::exchange::Exchange;
use crate::reply::Rendered;

pub(crate) async fn recover(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let exchange = Exchange::of(&request);
    match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(result) => result,
        Err(_) => {
            tracing::error!(route = exchange.target.route(), "a handler panicked");
            exchange.set_failure(envelope::Reason::Internal);
            let rendered = Rendered::new(&envelope::Error::internal("a handler panicked"), &exchange);
            let response = rendered.replace(HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR));
            // The request is lost, so the response has to be returned as an error.
            Err(InternalError::from_response("a handler panicked", response).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{test, web};
    use serde_json::{Value, json};
    use service::Shell;

    use crate::app;
    use crate::state::Gateway;

    #[actix_web::test]
    async fn a_panic_is_rendered_in_the_envelope_and_the_next_request_succeeds() {
        let upstream = "http://127.0.0.1:9";
        let config = json!({
            "http": { "listen": "127.0.0.1:0" },
            "admin": { "listen": "127.0.0.1:0" },
            "upstreams": {
                "user": upstream, "inventory": upstream, "order": upstream, "payment": upstream,
                "reconciliation": upstream,
            },
        });
        let config = serde_json::from_value(config).unwrap();
        let gateway = web::Data::new(Gateway::start(&Shell::without_admin(), &config));
        let panics = || async { if true { panic!("boom") } else { "" } };
        let app = test::init_service(app::build(gateway).route("/panic", web::get().to(panics))).await;
        let request = test::TestRequest::get().uri("/panic").insert_header(("X-Request-Id", "r-1")).to_request();
        let Err(error) = test::try_call_service(&app, request).await else { panic!("no failure") };
        let response = error.error_response();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers().get("x-request-id").unwrap(), "r-1");
        assert_eq!(response.headers().get("x-content-type-options").unwrap(), "nosniff");
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["reason"], "INTERNAL");
        assert_eq!(body["requestId"], "r-1");
        assert!(!body.to_string().contains("boom"));
        let request = test::TestRequest::get().uri("/healthz").to_request();
        assert_eq!(test::call_service(&app, request).await.status(), 200);
    }
}
