//! Support for browsers: cross-origin requests, compression, and the documentation.

use envelope::Reason;
use serde_json::{Value, json};

use crate::support::{Gateway, failure};

#[tokio::test]
async fn only_configured_origins_may_call() {
    let gateway = Gateway::start_with(json!({ "cors": { "allowed_origins": ["https://shop.example"] } })).await;
    let preflight = |origin: &'static str| {
        let request = gateway.request("OPTIONS", "/api/v1/orders").header("Origin", origin);
        let request = request.header("Access-Control-Request-Method", "POST");
        request.header("Access-Control-Request-Headers", "authorization, idempotency-key").send()
    };
    let allowed = preflight("https://shop.example").await.unwrap();
    assert_eq!(allowed.status(), 200);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://shop.example");
    assert!(allowed.headers()["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    assert!(!allowed.headers().contains_key("access-control-allow-credentials"));
    let refused = preflight("https://evil.example").await.unwrap();
    assert!(!refused.headers().contains_key("access-control-allow-origin"));
    failure(refused, Reason::Forbidden).await;
    // Scripts must be able to read refusals too.
    let own = gateway.get("/api/v1/users/me").header("Origin", "https://shop.example").send().await.unwrap();
    assert_eq!(own.headers()["access-control-allow-origin"], "https://shop.example");
    assert!(own.headers()["access-control-expose-headers"].to_str().unwrap().contains("x-request-id"));
    failure(own, Reason::Unauthenticated).await;
    let other = gateway.get("/healthz").header("Origin", "https://evil.example").send().await.unwrap();
    assert!(!other.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn by_default_no_origin_may_call() {
    let gateway = Gateway::start().await;
    let request = gateway.request("OPTIONS", "/api/v1/orders").header("Origin", "https://shop.example");
    let response = request.header("Access-Control-Request-Method", "POST").send().await.unwrap();
    assert!(!response.headers().contains_key("access-control-allow-origin"));
    failure(response, Reason::Forbidden).await;
}

#[tokio::test]
async fn only_large_responses_are_compressed() {
    let gateway = Gateway::start().await;
    let list = |encoding: &'static str| gateway.get("/api/v1/products").header("Accept-Encoding", encoding).send();
    let small = list("gzip").await.unwrap();
    assert!(!small.headers().contains_key("content-encoding"));
    assert!(small.json::<Value>().await.is_ok());
    *gateway.fake.products.lock().unwrap() = 50;
    let plain = list("identity").await.unwrap();
    assert!(!plain.headers().contains_key("content-encoding"));
    let length = plain.bytes().await.unwrap().len();
    for encoding in ["gzip", "br"] {
        let packed = list(encoding).await.unwrap();
        assert_eq!(packed.headers()["content-encoding"], encoding);
        assert!(packed.headers()["vary"].to_str().unwrap().to_lowercase().contains("accept-encoding"));
        assert!(packed.bytes().await.unwrap().len() < length / 2);
    }
}

#[tokio::test]
async fn the_documentation_is_complete_and_self_contained() {
    let gateway = Gateway::start().await;
    let redirected = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let response = redirected.get(format!("http://{}/docs", gateway.address)).send().await.unwrap();
    assert_eq!(response.status(), 308);
    assert_eq!(response.headers()["location"], "/docs/");
    let page = gateway.get("/docs/").send().await.unwrap();
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("script-src 'self'"));
    let page = page.text().await.unwrap();
    let mut assets = 0;
    for attribute in ["src=\"", "href=\""] {
        for asset in page.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(!asset.contains("//"), "{asset} comes from elsewhere");
            let path = format!("/docs/{}", asset.trim_start_matches("./"));
            assert_eq!(gateway.get(&path).send().await.unwrap().status(), 200, "{path}");
            assets += 1;
        }
    }
    assert!(assets >= 4, "{page}");
    let start = gateway.get("/docs/swagger-initializer.js").send().await.unwrap().text().await.unwrap();
    assert!(start.contains("/openapi.json"));
    let document: Value = gateway.get("/openapi.json").send().await.unwrap().json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    for outside in ["/docs/../Cargo.toml", "/docs/%2e%2e/%2e%2e/etc/passwd"] {
        failure(gateway.get(outside).send().await.unwrap(), Reason::NotFound).await;
    }
}
