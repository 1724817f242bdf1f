//! Conditional requests: unchanged resources are not sent again, and changes require the current version.

use envelope::Reason;
use serde_json::json;

use crate::support::{Gateway, failure, fields, tokens};

#[tokio::test]
async fn an_unchanged_resource_is_not_sent_again() {
    let gateway = Gateway::start().await;
    for path in ["/api/v1/products", "/api/v1/products/tea-0"] {
        let first = gateway.get(path).send().await.unwrap();
        assert_eq!(first.headers()["cache-control"], "no-cache");
        let tag = first.headers()["etag"].clone();
        for known in [tag.to_str().unwrap(), &format!("\"x\", W/{}", tag.to_str().unwrap()), "*"] {
            let again = gateway.get(path).header("If-None-Match", known).send().await.unwrap();
            assert_eq!(again.status(), 304, "{path} {known}");
            assert_eq!(again.headers()["etag"], tag);
            assert!(again.headers().contains_key("x-request-id"));
            assert!(!again.headers().contains_key("content-encoding"));
            assert!(again.bytes().await.unwrap().is_empty());
        }
        let changed = gateway.get(path).header("If-None-Match", "\"v0\"").send().await.unwrap();
        assert_eq!(changed.status(), 200);
    }
    let list_tag = |response: reqwest::Response| response.headers()["etag"].clone();
    let one = list_tag(gateway.get("/api/v1/products").send().await.unwrap());
    *gateway.fake.products.lock().unwrap() = 2;
    let two = list_tag(gateway.get("/api/v1/products").send().await.unwrap());
    assert_ne!(one, two);
}

#[tokio::test]
async fn a_change_requires_the_current_version() {
    let gateway = Gateway::start().await;
    let change = |tag: Option<&str>| {
        let request = gateway.request("PATCH", "/api/v1/products/tea").bearer_auth(tokens::admin());
        let request = request.json(&json!({ "name": "Green tea" }));
        tag.into_iter().fold(request, |request, tag| request.header("If-Match", tag)).send()
    };
    failure(change(None).await.unwrap(), Reason::VersionRequired).await;
    for bad in ["*", "v3", "W/\"v3\"", "\"v3\", \"v4\"", "\"3\"", ""] {
        let wrong = failure(change(Some(bad)).await.unwrap(), Reason::ValidationFailed).await;
        assert_eq!(fields(&wrong), ["If-Match"], "{bad}");
    }
    let twice = gateway.request("PATCH", "/api/v1/products/tea").bearer_auth(tokens::admin());
    let twice = twice.header("If-Match", "\"v3\"").header("If-Match", "\"v3\"").json(&json!({ "name": "Green tea" }));
    failure(twice.send().await.unwrap(), Reason::ValidationFailed).await;
    let empty = gateway.request("PATCH", "/api/v1/products/tea").bearer_auth(tokens::admin());
    let empty = empty.header("If-Match", "\"v3\"").json(&json!({}));
    failure(empty.send().await.unwrap(), Reason::ValidationFailed).await;
    assert!(gateway.fake.asked().is_empty());
    let changed = change(Some("\"v2\"")).await.unwrap();
    assert_eq!(changed.status(), 200);
    assert_eq!(changed.headers()["etag"], "\"v3\"");
    assert!(gateway.fake.asked()[0].message.contains("expected_version: 2"));
}
