//! Idempotency keys at the edge, and replayed responses.

use envelope::Reason;
use serde_json::json;

use crate::support::fake::{Answer, ORDER_ID};
use crate::support::{Gateway, failure, fields, tokens};

#[tokio::test]
async fn an_idempotent_operation_requires_exactly_one_key() {
    let gateway = Gateway::start().await;
    let order = || {
        let body = json!({ "lines": [{ "sku": "tea", "quantity": 1 }] });
        gateway.post("/api/v1/orders", &body).bearer_auth(tokens::customer())
    };
    failure(order().send().await.unwrap(), Reason::IdempotencyKeyMissing).await;
    for bad in ["", "a b", &"k".repeat(256), "\u{fc}"] {
        let request = order().header("Idempotency-Key", bad.as_bytes());
        let wrong = failure(request.send().await.unwrap(), Reason::ValidationFailed).await;
        assert_eq!(fields(&wrong), ["Idempotency-Key"], "{bad}");
    }
    let twice = order().header("Idempotency-Key", "a").header("Idempotency-Key", "b");
    failure(twice.send().await.unwrap(), Reason::ValidationFailed).await;
    assert!(gateway.fake.asked().is_empty());
    let longest = "~".repeat(255);
    assert_eq!(order().header("Idempotency-Key", &longest).send().await.unwrap().status(), 201);
    assert!(gateway.fake.asked()[0].message.contains(&longest));
}

#[tokio::test]
async fn a_replayed_response_equals_the_first_byte_for_byte() {
    let gateway = Gateway::start().await;
    let order = |request_id: &'static str| {
        let body = json!({ "lines": [{ "sku": "tea", "quantity": 2 }] });
        let request = gateway.post("/api/v1/orders", &body).bearer_auth(tokens::customer());
        request.header("Idempotency-Key", "k").header("X-Request-Id", request_id).send()
    };
    let first = order("first").await.unwrap();
    assert_eq!(first.status(), 201);
    assert_eq!(first.headers()["location"], format!("/api/v1/orders/{ORDER_ID}"));
    assert!(!first.headers().contains_key("idempotent-replayed"));
    *gateway.fake.answer.lock().unwrap() = Answer::Order { replay_of: Some("first") };
    let second = order("second").await.unwrap();
    assert_eq!(second.status(), 201);
    assert_eq!(second.headers()["x-request-id"], "second");
    assert_eq!(second.headers()["idempotent-replayed"], "true");
    assert_eq!(second.headers()["location"], first.headers()["location"]);
    assert_eq!(second.headers()["etag"], first.headers()["etag"]);
    assert_eq!(second.text().await.unwrap(), first.text().await.unwrap());
}
