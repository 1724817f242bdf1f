//! Rate limits of clients: their scope, and the headers that report them.

use envelope::Reason;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::support::{Gateway, failure, tokens};

const PRODUCT: &str = "/api/v1/products/tea";

/// A gateway with this limit of requests per hour.
async fn with_limit(kind: &str, requests: u32) -> Gateway {
    let rates = json!({ kind: { "requests": requests, "period_ms": 3_600_000 } });
    Gateway::start_with(json!({ "limits": { "rates": rates }, "cache": { "fresh_ms": 60_000 } })).await
}

/// The remaining quota in `RateLimit`.
fn left(response: &Response, name: &str) -> u32 {
    let header = response.headers()["ratelimit"].to_str().unwrap();
    let rest = header.strip_prefix(&format!("\"{name}\";r=")).unwrap_or_else(|| panic!("{header}"));
    rest.split(';').next().unwrap().parse().unwrap()
}

async fn refused(request: RequestBuilder) {
    let response = request.send().await.unwrap();
    assert!(response.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    failure(response, Reason::RateLimited).await;
}

#[tokio::test]
async fn every_response_reports_the_limit() {
    let gateway = with_limit("browse", 4).await;
    // A miss, a hit on the fast path, a hit on the full path, and an invalid request.
    let read = || gateway.get(PRODUCT);
    let requests = [read(), read(), read().header("Origin", "https://a.example"), gateway.get("/api/v1/products/%20")];
    for (request, expected) in requests.into_iter().zip([3, 2, 1, 0]) {
        let response = request.send().await.unwrap();
        assert_eq!(left(&response, "browse"), expected);
        assert_eq!(response.headers()["ratelimit-policy"], "\"browse\";q=4;w=3600");
    }
    for request in [read(), read().header("Origin", "https://a.example")] {
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["retry-after"], "900");
        assert_eq!(response.headers()["ratelimit"], "\"browse\";r=0;t=900");
        assert_eq!(response.headers()["ratelimit-policy"], "\"browse\";q=4;w=3600");
        failure(response, Reason::RateLimited).await;
    }
    assert_eq!(gateway.fake.asked().len(), 1);
}

#[tokio::test]
async fn a_refusal_may_be_problem_details() {
    let gateway = with_limit("browse", 1).await;
    gateway.get(PRODUCT).send().await.unwrap();
    let ways = [gateway.get(PRODUCT), gateway.get(PRODUCT).header("Origin", "https://a.example")];
    for way in ways {
        let request = way.header("Accept", "application/problem+json").header("X-Request-Id", "r-1");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert!(response.headers().contains_key("retry-after") && response.headers().contains_key("ratelimit"));
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["reason"], "RATE_LIMITED");
        assert_eq!((&problem["status"], &problem["requestId"]), (&json!(429), &json!("r-1")));
    }
}

#[tokio::test]
async fn a_limit_applies_to_a_user_at_any_address() {
    let gateway = with_limit("orders", 2).await;
    let order = |token: &str| {
        let body = json!({ "lines": [{ "sku": "tea", "quantity": 1 }] });
        gateway.post("/api/v1/orders", &body).header("Idempotency-Key", "k").bearer_auth(token)
    };
    for user in [tokens::customer(), tokens::customer()] {
        for expected in [1, 0] {
            let response = order(&user).send().await.unwrap();
            assert_eq!((response.status().as_u16(), left(&response, "orders")), (201, expected));
        }
        refused(order(&user)).await;
        // Another limit.
        let list = gateway.get("/api/v1/orders").bearer_auth(&user).send().await.unwrap();
        assert_eq!((list.status().as_u16(), left(&list, "default")), (200, 99));
    }
    assert_eq!(gateway.fake.asked().len(), 6);
}

#[tokio::test]
async fn reads_with_a_valid_token_count_towards_the_user() {
    let gateway = with_limit("browse", 1).await;
    assert_eq!(gateway.get(PRODUCT).send().await.unwrap().status(), 200);
    refused(gateway.get(PRODUCT)).await;
    refused(gateway.get(PRODUCT).bearer_auth("no-token")).await;
    let user = gateway.get(PRODUCT).bearer_auth(tokens::customer()).send().await.unwrap();
    assert_eq!((user.status().as_u16(), left(&user, "browse")), (200, 0));
}

#[tokio::test]
async fn log_ins_and_invalid_tokens_count_towards_the_address() {
    let gateway = with_limit("sessions", 2).await;
    let login = || gateway.post("/api/v1/sessions", &json!({ "email": "ada@example.com", "password": "secret 12" }));
    for login in [login(), login().bearer_auth(tokens::customer())] {
        assert_eq!(login.send().await.unwrap().status(), 201);
    }
    refused(login().bearer_auth(tokens::customer())).await;
    assert_eq!(gateway.fake.asked().len(), 2);
    let gateway = with_limit("default", 2).await;
    let list = |token: &str| gateway.get("/api/v1/orders").bearer_auth(token);
    for _ in 0..2 {
        let response = list("bad").send().await.unwrap();
        assert!(response.headers().contains_key("ratelimit"));
        failure(response, Reason::Unauthenticated).await;
    }
    refused(list("bad")).await;
    assert_eq!(list(&tokens::customer()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn every_encoding_of_a_path_counts() {
    let gateway = with_limit("default", 1).await;
    let user = tokens::customer();
    let list = |path: &str| gateway.get(path).bearer_auth(&user);
    assert_eq!(list("/api/v1/orders").send().await.unwrap().status(), 200);
    for spelled in ["/api/v1/%6Frders", "/api/v1/orders?x=1", "/api/v1/orders/%31"] {
        refused(list(spelled)).await;
    }
}

#[tokio::test]
async fn gateways_share_a_limit() {
    let limits = json!({ "replicas": 2, "rates": { "browse": { "requests": 4, "period_ms": 3_600_000 } } });
    let gateway = Gateway::start_with(json!({ "limits": limits })).await;
    for expected in [1, 0] {
        let response = gateway.get(PRODUCT).send().await.unwrap();
        assert_eq!(left(&response, "browse"), expected);
        // The whole limit, not the share of this gateway.
        assert_eq!(response.headers()["ratelimit-policy"], "\"browse\";q=4;w=3600");
    }
    refused(gateway.get(PRODUCT)).await;
    let peers = "http://10.0.0.1:1,http://10.0.0.2:1,http://10.0.0.3:1,http://10.0.0.4:1";
    let limits = json!({ "peers": peers, "rates": { "browse": { "requests": 4, "period_ms": 3_600_000 } } });
    let gateway = Gateway::start_with(json!({ "limits": limits })).await;
    let told = async {
        loop {
            let response = gateway.get(PRODUCT).send().await.unwrap();
            if response.status() == 429 {
                return response;
            }
        }
    };
    assert_eq!(told.await.headers()["ratelimit"], "\"browse\";r=0;t=3600");
}

#[tokio::test]
async fn endpoints_without_a_service_are_not_limited() {
    let rates = json!({ "default": { "requests": 1, "period_ms": 3_600_000 } });
    let concurrency = json!({ "initial": 1, "min": 1, "max": 1 });
    let limits = json!({ "limits": { "rates": rates, "concurrency": concurrency } });
    let gateway = Gateway::start_with(limits).await;
    for path in ["/healthz", "/readyz", "/openapi.json", "/.well-known/jwks.json", "/docs/"] {
        for _ in 0..5 {
            let response = gateway.get(path).send().await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            assert!(!response.headers().contains_key("ratelimit"), "{path}");
        }
    }
}
