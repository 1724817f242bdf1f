//! Overload: which requests are refused, how, and what happens to the others.

use std::time::{Duration, Instant};

use envelope::Reason;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::fake::{Answer, ORDER_ID};
use crate::support::{Gateway, failure, tokens};

/// A gateway that admits two requests that browse, three including orders, and one payment. The services never respond.
async fn small() -> Gateway {
    let shares = json!({ "browse": 50, "order": 75 });
    let payments = json!({ "initial": 1, "min": 1, "max": 1 });
    let concurrency = json!({ "initial": 4, "min": 4, "max": 4, "payments": payments, "shares": shares });
    let hedge = json!({ "hedge": { "enabled": false } });
    let gateway = Gateway::start_with(json!({
        "limits": { "concurrency": concurrency },
        "upstreams": { "order": hedge, "inventory": hedge },
        "cors": { "allowed_origins": ["https://shop.example"] },
    }));
    let gateway = gateway.await;
    *gateway.fake.answer.lock().unwrap() = Answer::Hang;
    gateway
}

fn browse(gateway: &Gateway) -> RequestBuilder {
    gateway.get("/api/v1/products")
}

fn look(gateway: &Gateway) -> RequestBuilder {
    gateway.get(&format!("/api/v1/orders/{ORDER_ID}")).bearer_auth(tokens::customer())
}

fn pay(gateway: &Gateway) -> RequestBuilder {
    let request = gateway.post(&format!("/api/v1/orders/{ORDER_ID}/payments"), &json!({ "method": "balance" }));
    request.bearer_auth(tokens::customer()).header("Idempotency-Key", "k")
}

/// Requests in flight until this is dropped.
type Held = JoinSet<reqwest::Result<Response>>;

/// Sends a request and waits until the service has received it.
async fn hold(held: &mut Held, gateway: &Gateway, request: RequestBuilder) {
    let before = gateway.fake.asked().len();
    held.spawn(request.send());
    gateway.wait_until(|_| gateway.fake.asked().len() > before).await;
}

async fn refused(request: RequestBuilder) {
    let started = Instant::now();
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(response.headers()["traceparent"].to_str().unwrap().starts_with("00-"));
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    failure(response, Reason::Overloaded).await;
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn refusals_follow_priorities() {
    let gateway = small().await;
    let mut held = Held::new();
    hold(&mut held, &gateway, browse(&gateway)).await;
    hold(&mut held, &gateway, look(&gateway)).await;
    let asked = gateway.fake.asked().len();
    refused(browse(&gateway)).await;
    hold(&mut held, &gateway, look(&gateway)).await;
    refused(look(&gateway)).await;
    hold(&mut held, &gateway, pay(&gateway)).await;
    refused(pay(&gateway)).await;
    // Refused before any other check: even an unknown token is not verified.
    refused(look(&gateway).bearer_auth("bad")).await;
    assert_eq!(gateway.fake.asked().len(), asked + 2);
    assert_eq!(gateway.get("/healthz").send().await.unwrap().status(), 200);
    drop(held);
    // The permits of disconnected clients are released.
    *gateway.fake.answer.lock().unwrap() = Answer::Order { replay_of: None };
    let served = async {
        while browse(&gateway).send().await.unwrap().status() != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, served).await.expect("it stays full");
}

#[tokio::test]
async fn a_refusal_has_the_negotiated_form() {
    let gateway = small().await;
    let mut held = Held::new();
    for _ in 0..2 {
        hold(&mut held, &gateway, look(&gateway)).await;
    }
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = browse(&gateway)
        .header("Accept", "application/problem+json")
        .header("Origin", "https://shop.example")
        .header("X-Request-Id", "r-1")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 503);
    let headers = response.headers();
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["access-control-allow-origin"], "https://shop.example");
    assert_eq!(headers["x-request-id"], "r-1");
    assert!(headers["traceparent"].to_str().unwrap().contains(trace));
    let problem: Value = response.json().await.unwrap();
    assert_eq!((&problem["reason"], &problem["code"]), (&json!("OVERLOADED"), &json!(50_302)));
    assert_eq!(problem["requestId"], "r-1");
}

#[tokio::test]
async fn fresh_copies_are_served_under_overload() {
    let gateway = Gateway::start_with(json!({
        "cache": { "fresh_ms": 60_000 },
        "limits": { "concurrency": { "initial": 1, "min": 1, "max": 1 } },
    }));
    let gateway = gateway.await;
    assert_eq!(browse(&gateway).send().await.unwrap().status(), 200);
    *gateway.fake.answer.lock().unwrap() = Answer::Hang;
    let mut held = Held::new();
    hold(&mut held, &gateway, look(&gateway)).await;
    assert_eq!(browse(&gateway).send().await.unwrap().headers()["cache-status"], "fournines; hit");
    refused(gateway.get("/api/v1/products/milk")).await;
}

#[tokio::test]
async fn a_stale_copy_is_served_when_admission_is_denied() {
    let gateway = Gateway::start_with(json!({
        "cache": { "fresh_ms": 0 },
        "limits": { "concurrency": { "initial": 1, "min": 1, "max": 1 } },
        "cors": { "allowed_origins": ["https://shop.example"] },
    }));
    let gateway = gateway.await;
    let first: Value = browse(&gateway).send().await.unwrap().json().await.unwrap();
    *gateway.fake.answer.lock().unwrap() = Answer::Hang;
    let mut held = Held::new();
    hold(&mut held, &gateway, look(&gateway)).await;
    let asked = gateway.fake.asked().len();
    let by_a_page = browse(&gateway).bearer_auth(tokens::customer()).header("Origin", "https://shop.example");
    for request in [browse(&gateway), by_a_page.try_clone().unwrap()] {
        let kept = request.send().await.unwrap();
        assert_eq!(kept.headers()["cache-status"], "fournines; fwd=stale; detail=overloaded");
        assert!(kept.headers().contains_key("age") && kept.headers().contains_key("ratelimit"));
        assert_eq!(kept.json::<Value>().await.unwrap()["data"], first["data"]);
    }
    let allowed = by_a_page.send().await.unwrap();
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://shop.example");
    // But not to clients that require a fresh response, nor without a copy.
    refused(browse(&gateway).header("Cache-Control", "no-cache")).await;
    refused(browse(&gateway).bearer_auth(tokens::admin())).await;
    refused(gateway.get("/api/v1/products/milk")).await;
    assert_eq!(gateway.fake.asked().len(), asked);
}
