//! Metrics and log lines of completed runs.

use jiff::Timestamp;

use crate::domain::{Finding, Run, RunKind};

/// A run has compared everything that it had to.
pub(super) fn completed(run: &Run, findings: &[Finding]) {
    let differences = run.differences();
    if let Some(ratio) = run.consistency_ratio() {
        gauge("reconciliation_consistency_ratio", run.kind, ratio);
    }
    for check in &run.checks {
        let labels = [("check", check.check.name()), ("kind", run.kind.name())];
        metrics::counter!("reconciliation_compared_total", &labels).increment(check.compared);
    }
    for finding in findings {
        metrics::counter!("reconciliation_exceptions_total", "kind" => finding.difference.name()).increment(1);
    }
    let compared = run.compared();
    let kind = run.kind.name();
    match findings.first() {
        Some(first) => {
            tracing::error!(run = %run.id, kind, compared, differences, ?first, "the books differ");
        }
        None if run.kind == RunKind::Incremental => tracing::debug!(compared, "recent changes are equal in all books"),
        None => tracing::info!(run = %run.id, kind, compared, "all books are equal"),
    }
}

/// A full run was completed and kept.
pub(super) fn last_completed(kind: RunKind, at: Timestamp) {
    gauge("reconciliation_last_completed_timestamp_seconds", kind, as_f64(at.as_second()));
}

fn gauge(name: &'static str, kind: RunKind, value: f64) {
    metrics::gauge!(name, "kind" => kind.name()).set(value);
}

#[allow(clippy::cast_precision_loss)] // seconds since 1970 are far below 2^53
fn as_f64(seconds: i64) -> f64 {
    seconds as f64
}
