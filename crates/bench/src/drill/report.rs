//! The report of a drill: counts and latencies by kind of request, and second by second.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::load::Samples;
use super::traffic::{Kind, RequestOutcome, Sample};
use crate::harness::stats::{quantiles_ms, rounded};

/// All requests of a drill.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) drill: &'static str,
    pub(super) requests: usize,
    /// Requests that were due while no client was free.
    pub(super) not_sent: u64,
    pub(super) failed: usize,
    failed_by_reason: BTreeMap<&'static str, usize>,
    shed: usize,
    /// Requests that were sent more than once.
    sent_again: usize,
    by_kind: BTreeMap<Kind, Figures>,
    /// What was done to the platform, and when.
    pub(super) marks: Vec<Mark>,
    /// By the second in which requests were due.
    pub(super) seconds: Vec<Second>,
}

/// The figures of some requests.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    pub(super) good: usize,
    /// Good answers that were stale copies.
    pub(super) copied: usize,
    pub(super) shed: usize,
    pub(super) failed: usize,
    /// Latencies of requests that were not shed, from when they were due; 0 without such requests.
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) longest_ms: f64,
}

/// One second of a drill.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Second {
    pub(super) second: u64,
    #[serde(flatten)]
    pub(super) figures: Figures,
}

/// An action on the platform.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mark {
    pub(super) at_seconds: f64,
    pub(super) what: String,
}

impl Report {
    pub(super) fn new(drill: &'static str, samples: &Samples, marks: Vec<Mark>) -> Self {
        let mut failed_by_reason = BTreeMap::new();
        let mut seconds: BTreeMap<u64, Vec<&Sample>> = BTreeMap::new();
        for sample in &samples.list {
            if let RequestOutcome::Failed(reason) = sample.outcome {
                *failed_by_reason.entry(reason).or_insert(0) += 1;
            }
            let second = sample.due.duration_since(samples.start).as_secs();
            seconds.entry(second).or_default().push(sample);
        }
        let of_kind = |kind| samples.list.iter().filter(move |sample| sample.kind == kind);
        let by_kind = Kind::ALL.map(|kind| (kind, Figures::of(of_kind(kind))));
        let all = Figures::of(samples.list.iter());
        Self {
            drill,
            requests: samples.list.len(),
            not_sent: samples.not_sent,
            failed: all.failed,
            failed_by_reason,
            shed: all.shed,
            sent_again: samples.list.iter().filter(|sample| sample.sent > 1).count(),
            by_kind: by_kind.into(),
            marks,
            seconds: seconds
                .into_iter()
                .map(|(second, samples)| Second { second, figures: Figures::of(samples.into_iter()) })
                .collect(),
        }
    }
}

impl Figures {
    pub(super) fn of<'a>(samples: impl Iterator<Item = &'a Sample>) -> Self {
        let samples: Vec<&Sample> = samples.collect();
        let count = |is: fn(&RequestOutcome) -> bool| samples.iter().filter(|sample| is(&sample.outcome)).count();
        let waits = samples.iter().filter(|sample| sample.outcome != RequestOutcome::Shed);
        let waits = waits.map(|sample| micros(sample.took));
        let [p50, p99, longest] = quantiles_ms(waits, [0.5, 0.99, 1.0]).unwrap_or_default();
        Self {
            good: count(|outcome| outcome.is_good()),
            copied: count(|outcome| *outcome == RequestOutcome::Copied),
            shed: count(|outcome| *outcome == RequestOutcome::Shed),
            failed: count(|outcome| matches!(outcome, RequestOutcome::Failed(_))),
            p50_ms: rounded(p50),
            p99_ms: rounded(p99),
            longest_ms: rounded(longest),
        }
    }
}

fn micros(took: Duration) -> u32 {
    u32::try_from(took.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn requests_count_in_the_second_in_which_they_were_due() {
        let start = Instant::now();
        let sample = |due_ms, outcome| Sample {
            kind: Kind::Browse,
            due: start + Duration::from_millis(due_ms),
            took: Duration::from_millis(3),
            outcome,
            sent: 1,
        };
        let list = vec![
            sample(10, RequestOutcome::Good),
            sample(990, RequestOutcome::Failed("UNAVAILABLE")),
            sample(1_010, RequestOutcome::Shed),
        ];
        let report = Report::new("test", &Samples { start, list, not_sent: 0 }, Vec::new());
        assert_eq!((report.requests, report.failed, report.shed), (3, 1, 1));
        assert_eq!(report.failed_by_reason["UNAVAILABLE"], 1);
        let seconds: Vec<_> = report.seconds.iter().map(|second| (second.second, second.figures.shed)).collect();
        assert_eq!(seconds, [(0, 0), (1, 1)]);
        assert_eq!(report.by_kind[&Kind::Pay].good, 0);
    }
}
