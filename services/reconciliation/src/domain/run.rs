//! Runs of the reconciliation, from their request to their end.

use std::time::Duration;

use jiff::Timestamp;
use primitives::RunId;

/// The cause of a run, and its extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// Made once a day; compares everything.
    Daily,
    /// Requested by an administrator; compares everything.
    OnDemand,
    /// Made every few seconds; compares recent changes.
    Incremental,
}

impl RunKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Daily, Self::OnDemand, Self::Incremental];

    /// The kinds that compare everything.
    pub const FULL: [Self; 2] = [Self::Daily, Self::OnDemand];

    /// Whether a completed run is kept although it has found no difference. Incremental runs are too frequent for that.
    pub fn is_kept_without_differences(self) -> bool {
        Self::FULL.contains(&self)
    }

    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::OnDemand => "on_demand",
            Self::Incremental => "incremental",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// It waits to be started.
    Requested,
    /// It is comparing.
    Running,
    /// Everything was compared.
    Completed,
    /// It ended before everything was compared.
    Failed,
}

impl RunStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Requested, Self::Running, Self::Completed, Self::Failed];

    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// The checks: which sides are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The events in outboxes against their effects.
    Events,
    /// Orders against payments.
    Payments,
    /// Payments against account entries.
    Entries,
    /// Order lines against stock movements.
    Movements,
    /// Stock counters against the sums of their movements.
    Counters,
    /// Accounts against their entries.
    Accounts,
    /// Statements against their lines.
    Statements,
}

impl Check {
    const ALL: [Self; 7] = [
        Self::Events,
        Self::Payments,
        Self::Entries,
        Self::Movements,
        Self::Counters,
        Self::Accounts,
        Self::Statements,
    ];

    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events_and_effects",
            Self::Payments => "orders_and_payments",
            Self::Entries => "payments_and_entries",
            Self::Movements => "orders_and_movements",
            Self::Counters => "counters_and_movements",
            Self::Accounts => "accounts_and_entries",
            Self::Statements => "statements_and_lines",
        }
    }

    /// The check of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.name() == name)
    }
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// The check.
    pub check: Check,
    /// The number of things that were compared.
    pub compared: u64,
    /// The number of differences.
    pub differences: u64,
    /// The moment as of which it compared.
    pub as_of: Timestamp,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its cause and extent.
    pub kind: RunKind,
    /// Its status.
    pub status: RunStatus,
    /// When it was requested.
    pub requested_at: Timestamp,
    /// When it was started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its checks, in the order in which they were made.
    pub checks: Vec<CheckResult>,
    /// Why it failed, for people.
    pub failure: Option<String>,
}

impl Run {
    /// How long runs and their exceptions are kept.
    pub const RETENTION: Duration = Duration::from_secs(400 * 24 * 60 * 60);

    /// A new run that waits to be started.
    pub fn new(kind: RunKind, at: Timestamp) -> Self {
        Self {
            id: RunId::new(),
            kind,
            status: RunStatus::Requested,
            requested_at: at,
            started_at: None,
            ended_at: None,
            checks: Vec::new(),
            failure: None,
        }
    }

    /// The run once it has started.
    #[must_use]
    pub fn start(self, now: Timestamp) -> Self {
        Self { status: RunStatus::Running, started_at: Some(now), ..self }
    }

    /// The run once it has compared everything. Differences do not make it a failure.
    #[must_use]
    pub fn complete(self, checks: Vec<CheckResult>, now: Timestamp) -> Self {
        Self { status: RunStatus::Completed, ended_at: Some(now), checks, ..self }
    }

    /// The run once it has ended early. Checks that were made by then are not kept.
    #[must_use]
    pub fn fail(self, reason: String, now: Timestamp) -> Self {
        Self { status: RunStatus::Failed, ended_at: Some(now), failure: Some(reason), ..self }
    }

    /// A run that a process has left unfinished; no other process continues it.
    #[must_use]
    pub fn abandon(self, now: Timestamp) -> Self {
        self.fail("the process that compared was stopped".to_owned(), now)
    }

    /// The number of things that were compared.
    pub fn compared(&self) -> u64 {
        self.checks.iter().map(|check| check.compared).sum()
    }

    /// The number of differences.
    pub fn differences(&self) -> u64 {
        self.checks.iter().map(|check| check.differences).sum()
    }

    /// The share of compared things that are equal, 0 to 1; `None` unless the run is completed. 1 is the only good
    /// value. A thing may have more than one difference, so the share is cut off at 0.
    #[allow(clippy::cast_precision_loss)] // a share of counts far below 2^53
    pub fn consistency_ratio(&self) -> Option<f64> {
        let (compared, differences) = (self.compared(), self.differences());
        (self.status == RunStatus::Completed).then(|| match (compared, differences) {
            (_, 0) => 1.0,
            (0, _) => 0.0,
            _ => (1.0 - differences as f64 / compared as f64).max(0.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(compared: u64, differences: u64) -> Run {
        let as_of = "2026-11-24T12:00:00Z".parse().unwrap();
        let result = CheckResult { check: Check::Events, compared, differences, as_of };
        Run { status: RunStatus::Completed, checks: vec![result], ..Run::new(RunKind::Daily, as_of) }
    }

    #[test]
    fn only_a_run_without_any_difference_is_wholly_consistent() {
        assert_eq!(completed(0, 0).consistency_ratio(), Some(1.0));
        assert_eq!(completed(4, 1).consistency_ratio(), Some(0.75));
        assert_eq!(completed(1, 2).consistency_ratio(), Some(0.0));
        assert!(completed(1_000_000_000_000, 1).consistency_ratio() < Some(1.0));
        let failed = Run { status: RunStatus::Failed, ..completed(4, 0) };
        assert_eq!(failed.consistency_ratio(), None);
    }

    #[test]
    fn a_run_that_has_compared_everything_is_completed_whatever_it_found() {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let checks = completed(4, 1).checks;
        let run = Run::new(RunKind::Daily, now).start(now).complete(checks.clone(), now);
        assert_eq!((run.status, run.ended_at, run.failure), (RunStatus::Completed, Some(now), None));
        assert_eq!(run.checks, checks);
    }

    #[test]
    fn a_run_that_was_cut_short_has_failed_and_says_why() {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let started = || Run::new(RunKind::OnDemand, now).start(now);
        assert_eq!((started().status, started().started_at), (RunStatus::Running, Some(now)));
        for run in [started().fail("no primary".into(), now), started().abandon(now)] {
            assert_eq!((run.status, run.ended_at), (RunStatus::Failed, Some(now)));
            assert!(run.failure.is_some() && run.consistency_ratio().is_none());
        }
    }

    #[test]
    fn only_full_runs_are_kept_without_differences() {
        let kept = RunKind::ALL.map(RunKind::is_kept_without_differences);
        assert_eq!(kept, [true, true, false]);
    }

    #[test]
    fn each_value_is_found_by_its_name() {
        assert!(Check::ALL.into_iter().all(|check| Check::from_name(check.name()) == Some(check)));
        assert!(RunKind::ALL.into_iter().all(|kind| RunKind::from_name(kind.name()) == Some(kind)));
        assert!(RunStatus::ALL.into_iter().all(|one| RunStatus::from_name(one.name()) == Some(one)));
    }
}
