//! The catalogue cache: fresh copies, stale copies, and an unavailable inventory.

use std::time::{Duration, Instant};

use envelope::{Error, Reason};
use reqwest::Response;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::support::fake::Answer;
use crate::support::{Gateway, failure, tokens};

const PATHS: [&str; 2] = ["/api/v1/products", "/api/v1/products/tea"];

/// A gateway whose copies stay fresh during a test.
async fn with_fresh_copies() -> Gateway {
    Gateway::start_with(json!({ "cache": { "fresh_ms": 60_000 } })).await
}

async fn read(gateway: &Gateway, path: &str) -> Response {
    gateway.get(path).send().await.unwrap()
}

fn status(response: &Response) -> &str {
    response.headers()["cache-status"].to_str().unwrap()
}

fn fail(gateway: &Gateway) {
    let gone = Error::new(Reason::Unavailable, "said so").into_status();
    *gateway.fake.answer.lock().unwrap() = Answer::Fail(gone);
}

#[tokio::test]
async fn concurrent_reads_share_one_call_to_inventory() {
    let gateway = with_fresh_copies().await;
    for (number, path) in PATHS.into_iter().enumerate() {
        let first = read(&gateway, path).await;
        assert_eq!(status(&first), "fournines; fwd=miss; stored");
        let tag = first.headers()["etag"].clone();
        let first: Value = first.json().await.unwrap();
        for _ in 0..5 {
            let again = gateway.get(path).header("X-Request-Id", "\"r\\1").send().await.unwrap();
            assert_eq!(status(&again), "fournines; hit");
            assert_eq!(again.headers()["age"], "0");
            assert_eq!(again.headers()["etag"], tag);
            assert_eq!(again.headers()["x-request-id"], "\"r\\1");
            let again: Value = again.json().await.unwrap();
            assert_eq!((&again["data"], &again["requestId"]), (&first["data"], &json!("\"r\\1")));
        }
        let known = gateway.get(path).header("If-None-Match", tag).send().await.unwrap();
        assert_eq!(known.status(), 304);
        assert_eq!(gateway.fake.asked().len(), number + 1);
    }
}

#[tokio::test]
async fn the_fast_path_responds_like_the_full_path() {
    let gateway = with_fresh_copies().await;
    read(&gateway, PATHS[1]).await;
    let short = read(&gateway, PATHS[1]).await;
    // A cross-origin request takes the full path.
    let long = gateway.get(PATHS[1]).header("Origin", "https://evil.example").send().await.unwrap();
    let differing = ["date", "x-request-id", "ratelimit", "traceparent", "access-control-expose-headers"];
    let same = |headers: &HeaderMap| {
        let mut headers = headers.clone();
        for name in differing {
            headers.remove(name);
        }
        headers
    };
    assert_eq!(same(short.headers()), same(long.headers()));
    assert!(short.headers()["traceparent"].to_str().unwrap().starts_with("00-"));
    assert_eq!(gateway.fake.asked().len(), 1);
}

#[tokio::test]
async fn different_requests_have_different_copies() {
    let gateway = with_fresh_copies().await;
    let queries = ["", "?pageSize=7", "?category=drinks", "?q=drinks", "?q=%54ea&category=a%26q", "?pageToken=a-b"];
    for (number, query) in queries.into_iter().enumerate() {
        for _ in 0..2 {
            assert_eq!(read(&gateway, &format!("/api/v1/products{query}")).await.status(), 200);
        }
        assert_eq!(gateway.fake.asked().len(), number + 1, "{query}");
    }
    // The same request in another form.
    for query in ["?pageSize=50", "?category=drinks&", "?category=%64rinks", "?category=a%26q&q=Tea"] {
        read(&gateway, &format!("/api/v1/products{query}")).await;
    }
    assert_eq!(gateway.fake.asked().len(), queries.len());
    let wrong = read(&gateway, "/api/v1/products?pageSize=0").await;
    failure(wrong, Reason::ValidationFailed).await;
}

#[tokio::test]
async fn a_stale_copy_is_served_and_marked_when_inventory_is_unavailable() {
    let gateway = Gateway::start().await;
    let mut tags = Vec::new();
    for path in PATHS {
        tags.push(read(&gateway, path).await.headers()["etag"].clone());
    }
    fail(&gateway);
    let started = Instant::now();
    for (path, tag) in PATHS.into_iter().zip(&tags).cycle().take(60) {
        let kept = read(&gateway, path).await;
        assert_eq!(kept.status(), 200);
        assert!(status(&kept).starts_with("fournines; fwd=stale; detail=inventory-"), "{kept:?}");
        assert!(kept.headers().contains_key("age"));
        assert_eq!(kept.headers()["etag"], tag);
    }
    assert!(started.elapsed() < Duration::from_secs(10), "reads wait for what does not come");
    let unknown = read(&gateway, "/api/v1/products/never-read").await;
    assert!(unknown.headers().contains_key("retry-after"));
    failure(unknown, Reason::Unavailable).await;
}

#[tokio::test]
async fn a_stale_copy_is_served_when_inventory_is_slow() {
    let gateway = Gateway::start_with(json!({ "cache": { "wait_ms": 20 } })).await;
    read(&gateway, PATHS[1]).await;
    *gateway.fake.answer.lock().unwrap() = Answer::Hang;
    let started = Instant::now();
    let kept = read(&gateway, PATHS[1]).await;
    assert_eq!(status(&kept), "fournines; fwd=stale; detail=inventory-slow");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_deleted_product_is_evicted() {
    let gateway = Gateway::start().await;
    read(&gateway, PATHS[1]).await;
    let gone = Error::new(Reason::SkuNotFound, "said so").into_status();
    *gateway.fake.answer.lock().unwrap() = Answer::Fail(gone);
    failure(read(&gateway, PATHS[1]).await, Reason::SkuNotFound).await;
    fail(&gateway);
    failure(read(&gateway, PATHS[1]).await, Reason::Unavailable).await;
}

#[tokio::test]
async fn no_cache_and_administrators_bypass_the_cache() {
    let gateway = with_fresh_copies().await;
    read(&gateway, PATHS[1]).await;
    let newest = gateway.get(PATHS[1]).header("Cache-Control", "max-age=0, No-Cache").send().await.unwrap();
    assert_eq!(status(&newest), "fournines; fwd=request; stored");
    let admin = gateway.get(PATHS[1]).bearer_auth(tokens::admin()).send().await.unwrap();
    assert_eq!(status(&admin), "fournines; fwd=bypass; stored");
    assert_eq!(gateway.fake.asked().len(), 3);
    assert!(gateway.fake.asked().iter().all(|asked| asked.context.caller.is_none()));
    let mut others = vec![gateway.get(PATHS[1]).header("Cache-Control", "max-age=60")];
    others.extend([tokens::customer(), "no-token".to_owned()].map(|token| gateway.get(PATHS[1]).bearer_auth(token)));
    for other in others {
        assert_eq!(status(&other.send().await.unwrap()), "fournines; hit");
    }
    assert_eq!(gateway.fake.asked().len(), 3);
}

#[tokio::test]
async fn a_change_through_this_gateway_is_visible_at_once() {
    let gateway = with_fresh_copies().await;
    for path in PATHS {
        read(&gateway, path).await;
    }
    let price = json!({ "amount": 1, "currency": "USD" });
    let new = json!({ "sku": "tea", "name": "Tea", "category": "drinks", "price": price });
    let changes = [
        gateway.request("PATCH", PATHS[1]).header("If-Match", "\"v2\"").json(&json!({ "name": "Tea" })),
        gateway.post("/api/v1/products", &new),
    ];
    for change in changes {
        assert!(change.bearer_auth(tokens::admin()).send().await.unwrap().status().is_success());
        for path in PATHS {
            assert_eq!(status(&read(&gateway, path).await), "fournines; fwd=stale; fwd-status=200; stored");
            assert_eq!(status(&read(&gateway, path).await), "fournines; hit");
        }
    }
}

#[tokio::test]
async fn a_large_copy_is_compressed_for_clients_that_accept_it() {
    let gateway = with_fresh_copies().await;
    *gateway.fake.products.lock().unwrap() = 50;
    let list = |encoding: &'static str| gateway.get(PATHS[0]).header("Accept-Encoding", encoding).send();
    list("identity").await.unwrap();
    let packed = list("gzip").await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_eq!(status(&packed), "fournines; hit");
    let plain = read(&gateway, PATHS[0]).await;
    assert!(!plain.headers().contains_key("content-encoding"));
    assert_eq!(plain.json::<Value>().await.unwrap()["data"]["items"].as_array().unwrap().len(), 50);
    assert_eq!(gateway.fake.asked().len(), 1);
}
