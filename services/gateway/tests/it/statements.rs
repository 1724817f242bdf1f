//! Statements of the caller, by days and pages.

use envelope::{Error, Reason};
use serde_json::{Value, json};

use crate::support::fake::Answer;
use crate::support::{Gateway, failure, fields, tokens};

const STATEMENTS: &str = "/api/v1/statements";

async fn get(gateway: &Gateway, query: &str) -> reqwest::Response {
    gateway.get(&format!("{STATEMENTS}{query}")).bearer_auth(tokens::customer()).send().await.unwrap()
}

#[tokio::test]
async fn a_statement_is_rendered_as_documented() {
    let gateway = Gateway::start().await;
    let response = get(&gateway, "").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body: Value = response.json().await.unwrap();
    let money = |amount: i64| json!({ "amount": amount, "currency": "USD" });
    assert_eq!(
        body["data"],
        json!({
            "items": [{
                "day": "2026-11-24", "lines": 4, "net": money(-200),
                "tallies": [
                    { "kind": "order_placed", "count": 2, "amount": money(1_400) },
                    { "kind": "payment_captured", "count": 1, "amount": money(700) },
                    { "kind": "payment_refunded", "count": 1, "amount": money(900) },
                ],
            }],
            "nextPageToken": "more",
        })
    );
}

#[tokio::test]
async fn days_and_page_are_passed_on() {
    let gateway = Gateway::start().await;
    for (query, days, page) in [
        ("", r#"from: "", to: """#, r#"page_size: 50, page_token: """#),
        ("?from=2026-11-01", r#"from: "2026-11-01", to: """#, r#"page_size: 50, page_token: """#),
        ("?to=2024-02-29", r#"from: "", to: "2024-02-29""#, r#"page_size: 50, page_token: """#),
        (
            "?from=2026-11-24&to=2026-11-24&pageSize=7&pageToken=a-b_c",
            r#"from: "2026-11-24", to: "2026-11-24""#,
            r#"page_size: 7, page_token: "a-b_c""#,
        ),
    ] {
        assert_eq!(get(&gateway, query).await.status(), 200, "{query}");
        let asked = gateway.fake.asked().pop().unwrap().message;
        assert!(asked.contains(days) && asked.contains(page), "{query}: {asked}");
    }
}

#[tokio::test]
async fn malformed_days_never_reach_the_service() {
    let gateway = Gateway::start().await;
    for (query, wrong) in [
        ("?from=", &["from"][..]),
        ("?to=", &["to"]),
        ("?from=2026-02-30", &["from"]),
        ("?to=2026-11-24T00:00:00Z", &["to"]),
        ("?to=-002026-11-24", &["to"]),
        ("?from=24.11.2026", &["from"]),
        ("?from=2026-11-24&from=2026-11-24", &["from"]),
        ("?from=today&to=%00", &["from", "to"]),
        ("?from=x&to=x&pageSize=0&userId=1", &["pageSize", "from", "to", "userId"]),
    ] {
        let refused = failure(get(&gateway, query).await, Reason::ValidationFailed).await;
        assert_eq!(fields(&refused), wrong, "{query}");
    }
    failure(get(&gateway, "?pageToken=").await, Reason::InvalidPageToken).await;
    assert!(gateway.fake.asked().is_empty());
}

#[tokio::test]
async fn an_invalid_range_is_rejected_by_the_service() {
    let gateway = Gateway::start().await;
    let backwards = Error::invalid("from", "must not be after the last day");
    *gateway.fake.answer.lock().unwrap() = Answer::Fail(backwards.into_status());
    let refused = get(&gateway, "?from=2026-11-24&to=2026-11-23").await;
    assert_eq!(fields(&failure(refused, Reason::ValidationFailed).await), ["from"]);
    let stale = Error::new(Reason::InvalidPageToken, "the page token is not valid for this list");
    *gateway.fake.answer.lock().unwrap() = Answer::Fail(stale.into_status());
    failure(get(&gateway, "?pageToken=forged").await, Reason::InvalidPageToken).await;
}

#[tokio::test]
async fn each_caller_gets_their_own_statements() {
    let gateway = Gateway::start().await;
    for role in ["customer", "admin"] {
        let claims = tokens::claims(role);
        let request = gateway.get(STATEMENTS).bearer_auth(tokens::sign(&claims));
        assert_eq!(request.send().await.unwrap().status(), 200, "{role}");
        let caller = gateway.fake.asked().pop().unwrap().context.caller.unwrap();
        assert_eq!(caller.user_id.to_string(), claims["sub"].as_str().unwrap());
    }
}
