//! Reconciliation runs and their exceptions, for administrators only.

use std::time::Duration;

use envelope::{Error, Reason};
use serde_json::{Value, json};

use crate::support::fake::{Answer, RUN_ID};
use crate::support::{Gateway, failure, fields, tokens};

const RUNS: &str = "/api/v1/reconciliations";

fn run() -> String {
    format!("{RUNS}/{RUN_ID}")
}

fn exceptions() -> String {
    format!("{RUNS}/{RUN_ID}/exceptions")
}

async fn send(gateway: &Gateway, method: &str, path: &str) -> reqwest::Response {
    gateway.request(method, path).bearer_auth(tokens::admin()).send().await.unwrap()
}

async fn get(gateway: &Gateway, path: &str) -> reqwest::Response {
    send(gateway, "GET", path).await
}

async fn data(response: reqwest::Response) -> Value {
    assert_eq!(response.status(), 200);
    response.json::<Value>().await.unwrap()["data"].take()
}

fn a_requested_run() -> Value {
    json!({
        "id": RUN_ID, "kind": "on_demand", "status": "requested", "requestedAt": "2026-01-02T03:04:05.600Z",
        "compared": 0, "differences": 0, "checks": [],
    })
}

#[tokio::test]
async fn a_requested_run_has_a_location() {
    let gateway = Gateway::start().await;
    let started = send(&gateway, "POST", RUNS).await;
    assert_eq!(started.status(), 202);
    assert_eq!(started.headers()["location"], run());
    let request_id = started.headers()["x-request-id"].to_str().unwrap().to_owned();
    let body: Value = started.json().await.unwrap();
    assert_eq!(body, json!({ "code": 202, "message": "success", "data": a_requested_run(), "requestId": request_id }));
    assert!(gateway.fake.asked()[0].context.caller.unwrap().is_admin());
}

#[tokio::test]
async fn a_run_is_rendered_as_documented() {
    let gateway = Gateway::start().await;
    let time = "2026-01-02T03:04:05.600Z";
    let the_run = json!({
        "id": RUN_ID, "kind": "daily", "status": "completed",
        "requestedAt": time, "startedAt": time, "endedAt": time,
        "compared": 1_000, "differences": 1, "consistencyRatio": 0.999,
        "checks": [{ "name": "orders_and_payments", "compared": 1_000, "differences": 1, "asOf": time }],
    });
    assert_eq!(data(get(&gateway, &run()).await).await, the_run);
    let list = data(get(&gateway, RUNS).await).await;
    assert_eq!(list, json!({ "items": [a_requested_run(), the_run], "nextPageToken": "more" }));
    let asked = gateway.fake.asked();
    assert!(asked[0].message.contains(RUN_ID), "{asked:?}");
}

#[tokio::test]
async fn exceptions_are_rendered_as_documented() {
    let gateway = Gateway::start().await;
    let time = "2026-01-02T03:04:05.600Z";
    let one_that = |kind: &str, subject: &str| {
        json!({
            "kind": kind, "subject": subject, "expected": "one event", "found": "no event", "firstSeenAt": time,
        })
    };
    let mut healed = one_that("lost_event", "order 1");
    healed["healing"] = json!({ "action": "event_published_again", "at": time, "done": true });
    let mut tried = one_that("lost_event", "order 2");
    tried["healing"] = json!({
        "action": "event_published_again", "at": time, "done": false, "failure": "the broker is away",
    });
    let list = data(get(&gateway, &exceptions()).await).await;
    assert_eq!(list, json!({ "items": [healed, tried, one_that("stock_drift", "tea")] }));
    let asked = gateway.fake.asked();
    assert!(asked[0].message.contains(RUN_ID), "{asked:?}");
}

#[tokio::test]
async fn lists_are_paged() {
    let gateway = Gateway::start().await;
    for path in [RUNS, &exceptions()] {
        assert_eq!(get(&gateway, path).await.status(), 200);
        let asked = gateway.fake.asked().pop().unwrap().message;
        assert!(asked.contains(r#"page_size: 50, page_token: """#), "{asked}");
        assert_eq!(get(&gateway, &format!("{path}?pageSize=200&pageToken=a-b_c")).await.status(), 200);
        let asked = gateway.fake.asked().pop().unwrap().message;
        assert!(asked.contains(r#"page_size: 200, page_token: "a-b_c""#), "{asked}");
        let before = gateway.fake.asked().len();
        for (query, field) in [("pageSize=201", "pageSize"), ("status=failed", "status")] {
            let wrong = failure(get(&gateway, &format!("{path}?{query}")).await, Reason::ValidationFailed);
            assert_eq!(fields(&wrong.await), [field]);
        }
        failure(get(&gateway, &format!("{path}?pageToken=%24gt")).await, Reason::InvalidPageToken).await;
        assert_eq!(gateway.fake.asked().len(), before);
    }
}

#[tokio::test]
async fn only_administrators_see_and_start_runs() {
    let gateway = Gateway::start().await;
    for (method, path) in [("GET", RUNS), ("POST", RUNS), ("GET", &run()), ("GET", &exceptions())] {
        let customer = gateway.request(method, path).bearer_auth(tokens::customer());
        failure(customer.send().await.unwrap(), Reason::Forbidden).await;
        failure(gateway.request(method, path).send().await.unwrap(), Reason::Unauthenticated).await;
    }
    assert!(gateway.fake.asked().is_empty());
}

#[tokio::test]
async fn an_unknown_run_is_not_found() {
    let gateway = Gateway::start().await;
    let unknown = Error::new(Reason::NotFound, "there is no such run");
    *gateway.fake.answer.lock().unwrap() = Answer::Fail(unknown.into_status());
    for path in [run(), exceptions()] {
        failure(get(&gateway, &path).await, Reason::NotFound).await;
    }
}

#[tokio::test]
async fn malformed_ids_and_unknown_parameters_never_reach_the_service() {
    let gateway = Gateway::start().await;
    for (method, path, field) in [
        ("GET", format!("{RUNS}/1"), "id"),
        ("GET", format!("{RUNS}/{}", RUN_ID.replace('-', "")), "id"),
        ("GET", format!("{RUNS}/%00/exceptions"), "id"),
        ("GET", format!("{}?x=1", run()), "x"),
        ("POST", format!("{RUNS}?kind=daily"), "kind"),
    ] {
        let wrong = failure(send(&gateway, method, &path).await, Reason::ValidationFailed).await;
        assert_eq!(fields(&wrong), [field], "{method} {path}");
    }
    assert!(gateway.fake.asked().is_empty());
}

#[tokio::test]
async fn without_the_service_only_its_operations_are_unavailable() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let changes = json!({ "upstreams": { "reconciliation": format!("http://{closed}") } });
    let gateway = Gateway::start_with(changes).await;
    for (method, path) in
        [("GET", "/api/v1/statements"), ("GET", RUNS), ("POST", RUNS), ("GET", &run()), ("GET", &exceptions())]
    {
        let response = send(&gateway, method, path).await;
        assert!(response.headers().contains_key("retry-after"), "{method} {path}");
        assert!(!response.headers().contains_key("location"), "{method} {path}");
        failure(response, Reason::Unavailable).await;
    }
    assert_eq!(get(&gateway, "/api/v1/orders").await.status(), 200);
    assert_eq!(get(&gateway, "/readyz").await.status(), 200);
}

#[tokio::test]
async fn starting_a_run_has_the_default_deadline() {
    let gateway = Gateway::start_with(json!({ "deadlines": { "default_ms": 300, "payment_ms": 60_000 } })).await;
    *gateway.fake.answer.lock().unwrap() = Answer::Hang;
    let started = std::time::Instant::now();
    failure(send(&gateway, "POST", RUNS).await, Reason::DeadlineExceeded).await;
    assert!(started.elapsed() < Duration::from_secs(3));
}
