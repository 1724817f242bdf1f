//! Responses of the services: refusals, failures, and none at all.

use std::time::Duration;

use envelope::{Detail, Error, Reason};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::support::fake::{Answer, ORDER_ID};
use crate::support::{Gateway, failure, tokens};

/// Without retries, so that each response of the order service is observed.
fn asked_once() -> Value {
    let order = json!({ "retry": { "max_attempts": 1 }, "breaker": { "enabled": false } });
    json!({ "upstreams": { "order": order } })
}

async fn get_order(gateway: &Gateway) -> reqwest::Response {
    gateway.get(&format!("/api/v1/orders/{ORDER_ID}")).bearer_auth(tokens::customer()).send().await.unwrap()
}

#[tokio::test]
async fn an_order_is_rendered_as_documented() {
    let gateway = Gateway::start().await;
    let body: Value = get_order(&gateway).await.json().await.unwrap();
    assert_eq!(
        body["data"],
        json!({
            "id": ORDER_ID, "userId": "0190b5a0-0000-7000-8000-000000000002", "status": "pending_payment",
            "lines": [{ "sku": "tea", "quantity": 2, "unitPrice": { "amount": 350, "currency": "USD" },
                        "lineTotal": { "amount": 700, "currency": "USD" } }],
            "total": { "amount": 700, "currency": "USD" },
            "risk": { "decision": "accept", "source": "local_rules" }, "version": 1,
            "createdAt": "2026-01-02T03:04:05.600Z", "expiresAt": "2026-01-02T03:04:05.600Z",
        })
    );
    let list: Value =
        gateway.get("/api/v1/orders").bearer_auth(tokens::customer()).send().await.unwrap().json().await.unwrap();
    assert_eq!(list["data"]["nextPageToken"], "more");
    assert_eq!(list["data"]["items"][0], body["data"]);
}

#[tokio::test]
async fn every_refusal_of_a_service_is_passed_on() {
    let gateway = Gateway::start_with(asked_once()).await;
    for &reason in Reason::ALL {
        let stock = Detail::Stock { sku: "tea".into(), requested: 2, available: 1 };
        let error = Error::new(reason, "said so").with_detail(stock).with_retry_after(Duration::from_millis(1500));
        *gateway.fake.answer.lock().unwrap() = Answer::Fail(error.into_status());
        let response = get_order(&gateway).await;
        assert_eq!(response.headers()["retry-after"], "2");
        let body = failure(response, reason).await;
        assert_eq!(body["message"], "said so");
        assert_eq!(body["details"], json!([{ "sku": "tea", "requested": 2, "available": 1 }]));
    }
}

#[tokio::test]
async fn internal_details_are_not_exposed() {
    let gateway = Gateway::start_with(asked_once()).await;
    for (code, reason) in [
        (Code::Unknown, Reason::Internal),
        (Code::InvalidArgument, Reason::Internal),
        (Code::Unauthenticated, Reason::Internal),
        (Code::Unavailable, Reason::Unavailable),
        (Code::ResourceExhausted, Reason::Overloaded),
        (Code::DeadlineExceeded, Reason::DeadlineExceeded),
    ] {
        *gateway.fake.answer.lock().unwrap() = Answer::Fail(Status::new(code, "mongodb at 10.1.2.3 said no"));
        let body = failure(get_order(&gateway).await, reason).await;
        assert!(!body.to_string().contains("10.1.2.3"));
    }
}

#[tokio::test]
async fn an_unresponsive_service_fails_the_request_at_its_deadline() {
    let gateway = Gateway::start_with(json!({ "deadlines": { "default_ms": 300, "payment_ms": 600 } })).await;
    *gateway.fake.answer.lock().unwrap() = Answer::Hang;
    let started = std::time::Instant::now();
    failure(get_order(&gateway).await, Reason::DeadlineExceeded).await;
    assert!(started.elapsed() < Duration::from_secs(3));
    let budget_left = |index: usize| gateway.fake.asked()[index].context.deadline;
    let cancel = gateway.request("POST", &format!("/api/v1/orders/{ORDER_ID}/cancel")).bearer_auth(tokens::customer());
    failure(cancel.header("Idempotency-Key", "k").send().await.unwrap(), Reason::DeadlineExceeded).await;
    assert!(budget_left(0) < budget_left(1));
}

#[tokio::test]
async fn an_operation_may_have_its_own_deadline() {
    let gateway = Gateway::start_with(json!({ "deadlines": { "routes": { "getOrder": 200 } } })).await;
    *gateway.fake.answer.lock().unwrap() = Answer::Hang;
    let started = std::time::Instant::now();
    failure(get_order(&gateway).await, Reason::DeadlineExceeded).await;
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_stopped_service_is_unavailable() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gateway = Gateway::start_with(json!({ "upstreams": { "order": format!("http://{closed}") } })).await;
    let response = get_order(&gateway).await;
    assert!(response.headers().contains_key("retry-after"));
    failure(response, Reason::Unavailable).await;
}

#[tokio::test]
async fn logging_in_returns_tokens_and_logging_out_nothing() {
    let gateway = Gateway::start().await;
    let body = json!({ "email": "ada@example.com", "password": "correct horse" });
    let login = gateway.post("/api/v1/sessions", &body).send().await.unwrap();
    assert_eq!(login.status(), 201);
    let tokens: Value = login.json().await.unwrap();
    assert_eq!(
        tokens["data"],
        json!({ "accessToken": "access", "refreshToken": "refresh", "expiresIn": 900, "tokenType": "Bearer" })
    );
    let logout = gateway.request("DELETE", "/api/v1/sessions/current").bearer_auth(tokens::customer());
    let logout = logout.send().await.unwrap();
    assert_eq!(logout.status(), 204);
    assert!(logout.bytes().await.unwrap().is_empty());
}
