//! The admin port: liveness, readiness and metrics. It must not be reachable from outside.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{OnFailure, Readiness, Tasks};

/// How often the exporter aggregates its samples into histograms, so that memory is bounded without scrapes.
const UPKEEP_PERIOD: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Admin {
    readiness: Readiness,
    metrics: PrometheusHandle,
    process: metrics_process::Collector,
}

/// Serves the admin port until the process stops.
pub(crate) fn spawn(tasks: &Tasks, listener: TcpListener, readiness: Readiness, metrics: PrometheusHandle) {
    let upkeep = metrics.clone();
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(scrape))
        .with_state(Admin { readiness, metrics, process: metrics_process::Collector::default() });
    metrics::gauge!("build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let stop = tasks.stop_signal();
    tasks.spawn("admin", OnFailure::Stop, async move {
        // Tasks stop after the drain, so the port answers until its end.
        axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
    });
    let stop = tasks.stop_signal();
    tasks.spawn("metrics-upkeep", OnFailure::Stop, async move {
        let mut ticks = tokio::time::interval(UPKEEP_PERIOD);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            upkeep.run_upkeep();
        }
        Ok::<(), std::convert::Infallible>(())
    });
}

async fn scrape(State(admin): State<Admin>) -> String {
    admin.process.collect();
    admin.metrics.render()
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, Json<Value>) {
    let ready = admin.readiness.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "conditions": admin.readiness.conditions() })))
}
