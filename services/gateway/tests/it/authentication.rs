//! Who may call: every call of the table without a token and with the wrong role; tokens of every wrong kind; keys that
//! change, are away, or were never there.

use envelope::Reason;
use gateway::{Access, endpoints};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::{Gateway, PATIENCE, failure, tokens};

fn concrete(path: &str) -> String {
    path.replace("{id}", "0190b5a0-0000-7000-8000-000000000001").replace("{sku}", "tea")
}

#[tokio::test]
async fn every_call_asks_for_what_the_table_says_before_anything_else() {
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

fn unsigned(header: &str) -> String {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.", encode(header), encode(&tokens::claims("admin").to_string()))
}

#[tokio::test]
async fn a_token_that_is_not_ours_is_not_taken() {
    let gateway = Gateway::start().await;
    let good = tokens::customer();
    let signed = |algorithm, key: &EncodingKey| {
        jsonwebtoken::encode(&tokens::header(algorithm, tokens::KEY_ID), &tokens::claims("admin"), key).unwrap()
    };
    let mut tampered = good.clone().into_bytes();
    let middle = good.find('.').unwrap() + 20;
    tampered[middle] = if tampered[middle] == b'A' { b'B' } else { b'A' };
    let another_key = tokens::header(Algorithm::EdDSA, "key-2");
    let no_key = jsonwebtoken::Header::new(Algorithm::EdDSA);
    let forged = [
        signed(Algorithm::EdDSA, &tokens::other_key()),
        signed(Algorithm::HS256, &EncodingKey::from_secret(tokens::PUBLIC.as_bytes())),
        signed(
            Algorithm::HS256,
            &EncodingKey::from_base64_secret(&format!("{}=", tokens::PUBLIC.replace('_', "/"))).unwrap(),
        ),
        unsigned(r#"{"alg": "none", "kid": "key-1"}"#),
        unsigned(r#"{"alg": "EdDSA", "kid": "key-1"}"#),
        jsonwebtoken::encode(&another_key, &tokens::claims("admin"), &tokens::good_key()).unwrap(),
        jsonwebtoken::encode(&no_key, &tokens::claims("admin"), &tokens::good_key()).unwrap(),
        String::from_utf8(tampered).unwrap(),
        good[..good.len() - 3].to_owned(),
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
        String::new(),
        "a.b.c".to_owned(),
    ];
    for token in forged {
        let response = gateway.get("/api/v1/orders").bearer_auth(&token).send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        failure(response, Reason::Unauthenticated).await;
    }
    for authorization in ["Basic YTpi", "Bearer", &good, "bearer"] {
        let request = gateway.get("/api/v1/orders").header("Authorization", authorization);
        failure(request.send().await.unwrap(), Reason::Unauthenticated).await;
    }
    assert!(gateway.fake.asked().is_empty());
    let expired = tokens::sign(&with("exp", json!(primitives::now().as_second() - 10)));
    let response = gateway.get("/api/v1/orders").bearer_auth(expired).send().await.unwrap();
    failure(response, Reason::TokenExpired).await;
}

#[tokio::test]
async fn the_identity_in_the_token_travels_on() {
    let gateway = Gateway::start().await;
    let claims = tokens::claims("customer");
    let request = gateway.get("/api/v1/orders").bearer_auth(tokens::sign(&claims)).header("X-Request-Id", "r-7");
    // Nobody can name somebody else by writing our metadata into headers.
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
async fn keys_come_when_they_come_and_stay_when_the_user_service_is_away() {
    let gateway = Gateway::start_unready(json!({}), Fake::with_jwks(None)).await;
    let orders = || gateway.get("/api/v1/orders").bearer_auth(tokens::customer()).send();
    let response = orders().await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    failure(response, Reason::Unavailable).await;
    failure(gateway.get("/readyz").send().await.unwrap(), Reason::Unavailable).await;
    failure(gateway.get("/.well-known/jwks.json").send().await.unwrap(), Reason::Unavailable).await;
    // Whoever comes shortly before the keys waits for them.
    let (early, ()) = futures::join!(orders(), async {
        *gateway.fake.jwks.lock().unwrap() = Some(tokens::jwks());
    });
    assert_eq!(early.unwrap().status(), 200);
    gateway.wait_until(|shell| shell.readiness.is_ready()).await;
    assert_eq!(gateway.get("/readyz").send().await.unwrap().status(), 200);
    assert_eq!(orders().await.unwrap().status(), 200);
    *gateway.fake.jwks.lock().unwrap() = None;
    let unknown = tokens::header(Algorithm::EdDSA, "key-2");
    let unknown = jsonwebtoken::encode(&unknown, &tokens::claims("customer"), &tokens::good_key()).unwrap();
    let response = gateway.get("/api/v1/orders").bearer_auth(unknown).send().await.unwrap();
    failure(response, Reason::Unauthenticated).await;
    assert_eq!(orders().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_token_that_was_taken_is_not_taken_for_longer_than_it_is_good() {
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
    let response = tokio::time::timeout(PATIENCE, expired).await.expect("it is taken for ever");
    failure(response, Reason::TokenExpired).await;
}

#[tokio::test]
async fn a_key_that_is_retired_takes_with_it_what_it_verified() {
    let gateway = Gateway::start().await;
    let orders = |token: &str| gateway.get("/api/v1/orders").bearer_auth(token).send();
    let old = tokens::customer();
    assert_eq!(orders(&old).await.unwrap().status(), 200);
    *gateway.fake.jwks.lock().unwrap() = Some(tokens::jwks_with("key-2"));
    let new = tokens::header(Algorithm::EdDSA, "key-2");
    let new = jsonwebtoken::encode(&new, &tokens::claims("customer"), &tokens::good_key()).unwrap();
    assert_eq!(orders(&new).await.unwrap().status(), 200);
    failure(orders(&old).await.unwrap(), Reason::Unauthenticated).await;
}

#[tokio::test]
async fn an_unknown_key_causes_one_fetch_however_many_name_it() {
    let gateway = Gateway::start().await;
    let before = *gateway.fake.jwks_calls.lock().unwrap();
    *gateway.fake.jwks.lock().unwrap() = Some(tokens::jwks_with("key-2"));
    let new = tokens::header(Algorithm::EdDSA, "key-2");
    let new = jsonwebtoken::encode(&new, &tokens::claims("customer"), &tokens::good_key()).unwrap();
    let requests = (0..20).map(|_| gateway.get("/api/v1/orders").bearer_auth(&new).send());
    for response in futures::future::join_all(requests).await {
        assert_eq!(response.unwrap().status(), 200);
    }
    for key in ["key-3", "key-4", "key-5"] {
        let header = tokens::header(Algorithm::EdDSA, key);
        let token = jsonwebtoken::encode(&header, &tokens::claims("customer"), &tokens::good_key()).unwrap();
        let response = gateway.get("/api/v1/orders").bearer_auth(token).send().await.unwrap();
        failure(response, Reason::Unauthenticated).await;
    }
    assert_eq!(*gateway.fake.jwks_calls.lock().unwrap(), before + 1);
    let keys: Value = gateway.get("/.well-known/jwks.json").send().await.unwrap().json().await.unwrap();
    assert_eq!(keys["keys"][0]["kid"], "key-2");
}
