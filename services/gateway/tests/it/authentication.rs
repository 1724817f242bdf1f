//! Authentication and authorization: every endpoint of the table without a token and with the wrong role; invalid
//! tokens of every kind; keys that change, are unavailable, or have never been fetched.

use envelope::Reason;
use gateway::{Access, endpoints};
use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::{Gateway, PATIENCE, failure, tokens};

fn concrete(path: &str) -> String {
    path.replace("{id}", "0190b5a0-0000-7000-8000-000000000001").replace("{sku}", "tea")
}

#[tokio::test]
async fn every_endpoint_authorizes_before_any_other_check() {
    let gateway = Gateway::start().await;
    for endpoint in endpoints().iter().filter(|endpoint| endpoint.access != Access::Public) {
        let request = || gateway.request(endpoint.verb.as_str(), &concrete(endpoint.path));
        let response = request().send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        failure(response, Reason::Unauthenticated).await;
        if endpoint.access == Access::Admin {
            failure(request().bearer_auth(tokens::customer()).send().await.unwrap(), Reason::Forbidden).await;
        }
    }
    assert!(gateway.fake.asked().is_empty());
}

fn with(field: &str, value: Value) -> Value {
    let mut claims = tokens::claims("customer");
    claims[field] = value;
    claims
}

fn without(field: &str) -> Value {
    let mut claims = tokens::claims("customer");
    claims.as_object_mut().unwrap().remove(field);
    claims
}

fn signed(header: &Value) -> String {
    tokens::sign_with(header, &tokens::claims("admin"), &tokens::good_key())
}

fn unsigned(header: &Value) -> String {
    format!("{}.", tokens::unsigned(header, &tokens::claims("admin")))
}

/// Tokens whose header or signature is wrong.
fn forged() -> Vec<String> {
    let admin = tokens::claims("admin");
    let good = tokens::customer();
    let mut tampered = good.clone().into_bytes();
    let middle = good.find('.').unwrap() + 20;
    tampered[middle] = if tampered[middle] == b'A' { b'B' } else { b'A' };
    vec![
        tokens::sign_with(&tokens::header(tokens::KEY_ID), &admin, &tokens::other_key()),
        tokens::sign_hs256(&admin, tokens::PUBLIC.as_bytes()),
        tokens::sign_hs256(&admin, tokens::good_key().verifying_key().as_bytes()),
        unsigned(&json!({ "alg": "none", "kid": "key-1" })),
        unsigned(&json!({ "alg": "EdDSA", "kid": "key-1" })),
        signed(&json!({ "alg": "none", "kid": "key-1" })),
        signed(&json!({ "alg": "EdDSA", "kid": "key-2" })),
        signed(&json!({ "alg": "EdDSA" })),
        signed(&json!({ "alg": "EdDSA", "kid": "key-1", "crit": ["exp"] })),
        String::from_utf8(tampered).unwrap(),
        good[..good.len() - 3].to_owned(),
        String::new(),
        "a.b.c".to_owned(),
    ]
}

#[tokio::test]
async fn an_invalid_token_is_rejected() {
    let gateway = Gateway::start().await;
    let invalid = [
        tokens::sign(&with("iss", json!("somebody"))),
        tokens::sign(&with("aud", json!("another-api"))),
        tokens::sign(&with("role", json!("root"))),
        tokens::sign(&with("sub", json!("me"))),
        tokens::sign(&with("sid", json!(""))),
        tokens::sign(&with("exp", json!("tomorrow"))),
        tokens::sign(&with("nbf", json!(primitives::now().as_second() + 60))),
        tokens::sign(&without("exp")),
        tokens::sign(&without("iss")),
        tokens::sign(&without("aud")),
        tokens::sign(&without("role")),
    ];
    for token in forged().into_iter().chain(invalid) {
        let response = gateway.get("/api/v1/orders").bearer_auth(&token).send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        failure(response, Reason::Unauthenticated).await;
    }
    for authorization in ["Basic YTpi", "Bearer", &tokens::customer(), "bearer"] {
        let request = gateway.get("/api/v1/orders").header("Authorization", authorization);
        failure(request.send().await.unwrap(), Reason::Unauthenticated).await;
    }
    assert!(gateway.fake.asked().is_empty());
    let expired = tokens::sign(&with("exp", json!(primitives::now().as_second() - 10)));
    let response = gateway.get("/api/v1/orders").bearer_auth(expired).send().await.unwrap();
    failure(response, Reason::TokenExpired).await;
}

#[tokio::test]
async fn the_identity_in_the_token_is_passed_on() {
    let gateway = Gateway::start().await;
    let claims = tokens::claims("customer");
    let request = gateway.get("/api/v1/orders").bearer_auth(tokens::sign(&claims)).header("X-Request-Id", "r-7");
    // Clients can't choose an identity by sending our metadata as headers.
    let request =
        request.header("x-caller-id", "0190b5a0-0000-7000-8000-000000000009").header("x-caller-role", "admin");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let context = gateway.fake.asked()[0].context.clone();
    let caller = context.caller.unwrap();
    assert_eq!(caller.user_id.to_string(), claims["sub"].as_str().unwrap());
    assert_eq!(caller.session_id.to_string(), claims["sid"].as_str().unwrap());
    assert!(!caller.is_admin());
    assert_eq!(context.request_id, "r-7");
    assert!(context.client_address.unwrap().is_loopback());
}

#[tokio::test]
async fn keys_are_awaited_at_start_and_kept_while_the_user_service_is_unavailable() {
    let gateway = Gateway::start_unready(json!({}), Fake::with_jwks(None)).await;
    let orders = || gateway.get("/api/v1/orders").bearer_auth(tokens::customer()).send();
    let response = orders().await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    failure(response, Reason::Unavailable).await;
    failure(gateway.get("/readyz").send().await.unwrap(), Reason::Unavailable).await;
    failure(gateway.get("/.well-known/jwks.json").send().await.unwrap(), Reason::Unavailable).await;
    // A request shortly before the keys arrive waits for them.
    let (early, ()) = futures::join!(orders(), async {
        *gateway.fake.jwks.lock().unwrap() = Some(tokens::jwks());
    });
    assert_eq!(early.unwrap().status(), 200);
    gateway.wait_until(|shell| shell.readiness.is_ready()).await;
    assert_eq!(gateway.get("/readyz").send().await.unwrap().status(), 200);
    assert_eq!(orders().await.unwrap().status(), 200);
    *gateway.fake.jwks.lock().unwrap() = None;
    let response = gateway.get("/api/v1/orders").bearer_auth(tokens::customer_by("key-2")).send().await.unwrap();
    failure(response, Reason::Unauthenticated).await;
    assert_eq!(orders().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_cached_token_is_rejected_once_it_expires() {
    let often = json!({ "limits": { "rates": { "default": { "requests": 1_000_000 } } } });
    let gateway = Gateway::start_with(often).await;
    let orders = |token: &str| gateway.get("/api/v1/orders").bearer_auth(token).send();
    // Within the leeway for clocks, for a moment.
    let short = tokens::sign(&with("exp", json!(primitives::now().as_second() - 1)));
    assert_eq!(orders(&short).await.unwrap().status(), 200);
    let expired = async {
        loop {
            let response = orders(&short).await.unwrap();
            if response.status() != 200 {
                return response;
            }
        }
    };
    let response = tokio::time::timeout(PATIENCE, expired).await.expect("it is accepted forever");
    failure(response, Reason::TokenExpired).await;
}

#[tokio::test]
async fn retiring_a_key_invalidates_its_cached_tokens() {
    let gateway = Gateway::start().await;
    let orders = |token: &str| gateway.get("/api/v1/orders").bearer_auth(token).send();
    let old = tokens::customer();
    assert_eq!(orders(&old).await.unwrap().status(), 200);
    *gateway.fake.jwks.lock().unwrap() = Some(tokens::jwks_with("key-2"));
    let new = tokens::customer_by("key-2");
    assert_eq!(orders(&new).await.unwrap().status(), 200);
    failure(orders(&old).await.unwrap(), Reason::Unauthenticated).await;
}

#[tokio::test]
async fn an_unknown_key_triggers_one_fetch_for_all_requests() {
    let gateway = Gateway::start().await;
    let before = *gateway.fake.jwks_calls.lock().unwrap();
    *gateway.fake.jwks.lock().unwrap() = Some(tokens::jwks_with("key-2"));
    let new = tokens::customer_by("key-2");
    let requests = (0..20).map(|_| gateway.get("/api/v1/orders").bearer_auth(&new).send());
    for response in futures::future::join_all(requests).await {
        assert_eq!(response.unwrap().status(), 200);
    }
    for key in ["key-3", "key-4", "key-5"] {
        let response = gateway.get("/api/v1/orders").bearer_auth(tokens::customer_by(key)).send().await.unwrap();
        failure(response, Reason::Unauthenticated).await;
    }
    assert_eq!(*gateway.fake.jwks_calls.lock().unwrap(), before + 1);
    let keys: Value = gateway.get("/.well-known/jwks.json").send().await.unwrap().json().await.unwrap();
    assert_eq!(keys["keys"][0]["kid"], "key-2");
}
