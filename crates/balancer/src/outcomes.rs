//! How calls have ended, as the metric `balance_calls_total`.

use metrics::Counter;

use crate::endpoint::Outcome;

/// The counters of one upstream.
#[derive(Debug)]
pub(crate) struct OutcomeCounters {
    answered: Counter,
    overloaded: Counter,
    failed: Counter,
    broken: Counter,
    late: Counter,
    dropped: Counter,
    passed_on: Counter,
}

impl OutcomeCounters {
    pub(crate) fn new(upstream: &'static str) -> Self {
        Self {
            answered: counter(upstream, "answered"),
            overloaded: counter(upstream, "overloaded"),
            failed: counter(upstream, "failed"),
            broken: counter(upstream, "broken"),
            late: counter(upstream, "late"),
            dropped: counter(upstream, "dropped"),
            passed_on: counter(upstream, "passed_on"),
        }
    }

    /// Counts a call that was sent to a replica.
    pub(crate) fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Answered => &self.answered,
            Outcome::Overloaded => &self.overloaded,
            Outcome::Failed => &self.failed,
            Outcome::Broken => &self.broken,
            Outcome::Late => &self.late,
            Outcome::Dropped => &self.dropped,
        };
        counter.increment(1);
    }

    /// Counts a call that was never sent, and is passed on to another replica.
    pub(crate) fn count_passed_on(&self) {
        self.passed_on.increment(1);
    }
}

fn counter(upstream: &'static str, outcome: &'static str) -> Counter {
    metrics::counter!("balance_calls_total", "upstream" => upstream, "outcome" => outcome)
}
