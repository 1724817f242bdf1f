//! The envelope of every response, from any layer; request ids; content negotiation.

use envelope::Reason;
use serde_json::Value;

use crate::support::{Gateway, failure, raw, tokens};

#[tokio::test]
async fn an_unknown_path_and_an_unsupported_method_are_distinguished() {
    let gateway = Gateway::start().await;
    for path in ["/", "/api", "/api/v1", "/api/v1/orders/", "/api/v2/orders", "/api/v1/nothing?x=1", "/docs/nothing.js"]
    {
        failure(gateway.get(path).send().await.unwrap(), Reason::NotFound).await;
    }
    for (method, path, allow) in [
        ("PUT", "/api/v1/orders", "GET, HEAD, POST"),
        ("TRACE", "/api/v1/products/tea", "GET, HEAD, PATCH"),
        ("OPTIONS", "/api/v1/sessions/current", "DELETE"),
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/docs/", "GET, HEAD"),
        ("BREW", "/api/v1/users/me", "GET, HEAD, PATCH"),
        ("DELETE", "/api/v1/reconciliations", "GET, HEAD, POST"),
    ] {
        let response = gateway.request(method, path).send().await.unwrap();
        assert_eq!(response.headers()["allow"], allow, "{method} {path}");
        failure(response, Reason::MethodNotAllowed).await;
    }
}

#[tokio::test]
async fn a_success_has_the_envelope_and_every_header() {
    let gateway = Gateway::start().await;
    let response = gateway.get("/healthz").header("X-Request-Id", "my-id~1").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    assert_eq!(headers["x-request-id"], "my-id~1");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(headers[name], value);
    }
    assert!(!headers.contains_key("strict-transport-security"));
    let text = response.text().await.unwrap();
    assert_eq!(text, r#"{"code":200,"message":"success","data":{"status":"alive"},"requestId":"my-id~1"}"#);
}

#[tokio::test]
async fn head_responds_like_get_without_the_body() {
    let gateway = Gateway::start().await;
    let response = gateway.request("HEAD", "/api/v1/products/tea").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["etag"], "\"v3\"");
    assert!(response.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_malformed_request_id_is_replaced() {
    let gateway = Gateway::start().await;
    for bad in ["", " ", "a b", &"x".repeat(129), "\u{fc}"] {
        let response = gateway.get("/healthz").header("X-Request-Id", bad.as_bytes()).send().await.unwrap();
        let id = response.headers()["x-request-id"].to_str().unwrap();
        assert!(id.parse::<primitives::OrderId>().is_ok(), "{bad:?} gave {id:?}");
    }
    let long = "x".repeat(128);
    let response = gateway.get("/healthz").header("X-Request-Id", &long).send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], long.as_str());
    let two = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: one\r\nX-Request-Id: two\r\n\r\n";
    let answer = raw::exchange(gateway.address, two).await.to_lowercase();
    assert!(!answer.contains("x-request-id: one") && !answer.contains("x-request-id: two"), "{answer}");
}

#[tokio::test]
async fn request_headers_are_not_reflected() {
    let gateway = Gateway::start().await;
    for injected in ["id%0d%0aX-Evil: 1", "id\rX-Evil: 1", "id\nX-Evil: 1", "id\0X-Evil: 1", "id\\r\\nX-Evil: 1"] {
        for name in ["X-Request-Id", "Idempotency-Key", "traceparent", "Origin", "If-None-Match", "Accept"] {
            let request =
                format!("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{name}: {injected}\r\n\r\n");
            let answer = raw::exchange(gateway.address, request).await;
            let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
            assert!(!head.lines().any(|line| line.trim().starts_with("x-evil")), "{name}: {injected:?} gave {answer}");
            assert!(raw::status(&answer) < 500, "{answer}");
        }
    }
}

#[tokio::test]
async fn the_content_type_is_negotiated() {
    let gateway = Gateway::start().await;
    for accept in ["text/html", "application/json;q=0", "image/*"] {
        let response = gateway.get("/healthz").header("Accept", accept).send().await.unwrap();
        failure(response, Reason::NotAcceptable).await;
    }
    // Before any effect.
    let order = gateway.request("POST", "/api/v1/orders").header("Accept", "text/html").bearer_auth(tokens::customer());
    failure(order.send().await.unwrap(), Reason::NotAcceptable).await;
    assert!(gateway.fake.asked().is_empty());
    let nothing = gateway.get("/healthz").header("Accept-Encoding", "identity;q=0, br;q=0, gzip;q=0, deflate;q=0");
    failure(nothing.send().await.unwrap(), Reason::NotAcceptable).await;
    let page = gateway.get("/docs/").header("Accept", "text/html").send().await.unwrap();
    assert_eq!(page.status(), 200);
}

#[tokio::test]
async fn problem_details_match_the_envelope() {
    let gateway = Gateway::start().await;
    let request = gateway.get("/api/v1/users/me").header("Accept", "application/problem+json");
    let response = request.header("X-Request-Id", "r-1").send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["title"], "Unauthorized");
    assert_eq!(problem["status"], 401);
    assert_eq!(problem["reason"], "UNAUTHENTICATED");
    assert_eq!(problem["requestId"], "r-1");
    let good = gateway.get("/healthz").header("Accept", "application/problem+json").send().await.unwrap();
    assert_eq!(good.headers()["content-type"], "application/json");
}
