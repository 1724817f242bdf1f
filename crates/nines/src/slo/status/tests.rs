//! The command against a server that answers like Prometheus.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

fn sample(labels: &[(&str, &str)], value: f64) -> Sample {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Sample { labels, value }
}

fn series(slo: &str, objective: f64, left: f64, rate: f64) -> Vec<Sample> {
    let of = |name, value| sample(&[("__name__", name), ("slo", slo)], value);
    vec![
        of("slo:objective:ratio", objective),
        of("slo:time_period:days", 28.0),
        of("slo:period_error_budget_remaining:ratio", left),
        of("slo:current_burn_rate:ratio", rate),
    ]
}

#[test]
fn the_table_has_a_row_for_each_objective() {
    let mut all = series("payment-success", 0.9999, 0.5, 2.25);
    all.extend(series("books", 1.0, 0.0, f64::INFINITY));
    all.push(sample(&[("__name__", "slo:objective:ratio"), ("slo", "not-yet")], 0.9));
    let fires =
        |severity| sample(&[("alertname", "PaymentsFail"), ("severity", severity), ("slo", "payment-success")], 1.0);
    let report = Budgets::of(&all, &[fires("ticket"), fires("page"), fires("page")]);
    assert_eq!(
        report.to_string(),
        "slo              objective  days  budget left  burn rate  alerts\n\
         books             100.00 %    28        0.0 %        inf  -\n\
         payment-success    99.99 %    28       50.0 %       2.25  PaymentsFail (page), PaymentsFail (ticket)"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["slos"][0]["burnRate"], Value::Null);
    assert_eq!(json["slos"][1]["budgetRemaining"], 0.5);
}

/// Starts a server that gives this answer to every query, and gives its address.
async fn serve(status: StatusCode, body: Value, tasks: &mut JoinSet<()>) -> SocketAddr {
    let answer = get(move |RawQuery(query): RawQuery| async move {
        let is_alerts = query.is_some_and(|query| query.starts_with("query=ALERTS"));
        let empty = json!({"status": "success", "data": {"resultType": "vector", "result": []}});
        (status, if is_alerts && status.is_success() { empty } else { body }.to_string())
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move { axum::serve(listener, Router::new().route("/api/v1/query", answer)).await.unwrap() });
    address
}

async fn run(url: String) -> anyhow::Result<ExitCode> {
    Status { prometheus: url, timeout_ms: 2_000, json: true }.run().await
}

#[tokio::test]
async fn a_running_prometheus_is_queried() {
    let result: Vec<_> = series("payment-success", 0.9999, 1.0, 0.0)
        .into_iter()
        .map(|Sample { labels, value }| json!({"metric": labels, "value": [1.5, value.to_string()]}))
        .collect();
    let body = json!({"status": "success", "data": {"resultType": "vector", "result": result}});
    let mut tasks = JoinSet::new();
    let address = serve(StatusCode::OK, body, &mut tasks).await;
    assert_eq!(run(format!("http://{address}/")).await.unwrap(), ExitCode::SUCCESS);
}

#[tokio::test]
async fn errors_are_explained() {
    let mut tasks = JoinSet::new();
    let empty = json!({"status": "success", "data": {"resultType": "vector", "result": []}});
    let refusal = json!({"status": "error", "errorType": "bad_data", "error": "no such thing"});
    for (status, body, reason) in [
        (StatusCode::OK, empty, "has no objectives"),
        (StatusCode::BAD_REQUEST, refusal, "it rejects the query: no such thing"),
        (StatusCode::BAD_GATEWAY, json!("<html>"), "it answers with 502"),
        (StatusCode::OK, json!("hello"), "not one of Prometheus"),
        (StatusCode::OK, json!({"status": "success", "data": {"resultType": "scalar", "result": 1}}), "not a vector"),
    ] {
        let address = serve(status, body, &mut tasks).await;
        let error = format!("{:#}", run(format!("http://{address}")).await.unwrap_err());
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn a_refused_connection_and_a_missing_answer_are_distinguished() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let silent = Status { prometheus: format!("http://{address}"), timeout_ms: 200, json: false };
    let error = format!("{:#}", silent.run().await.unwrap_err());
    assert!(error.contains("within 200 ms"), "{error}");
    drop(listener);
    let error = format!("{:#}", run(format!("http://{address}")).await.unwrap_err());
    assert!(error.contains("can't be queried") && error.contains("refused"), "{error}");
}
