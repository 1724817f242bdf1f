//! Runs of the reconciliation.

use jiff::Timestamp;
use primitives::RunId;

/// Why a run was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// The day's, of everything.
    Daily,
    /// Somebody asked; of everything.
    OnDemand,
    /// Of what has changed lately.
    Incremental,
}

impl RunKind {
    const ALL: [Self; 3] = [Self::Daily, Self::OnDemand, Self::Incremental];

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

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// It waits to begin.
    Requested,
    /// It compares.
    Running,
    /// Everything was compared.
    Completed,
    /// It ended before everything was compared.
    Failed,
}

impl RunStatus {
    const ALL: [Self; 4] = [Self::Requested, Self::Running, Self::Completed, Self::Failed];

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

/// What is compared with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// What was written to be published against what was applied.
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

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// Which one.
    pub check: Check,
    /// How many things were compared.
    pub compared: u64,
    /// How many of them differ.
    pub differences: u64,
    /// The moment as of which it compared.
    pub as_of: Timestamp,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Why it was made.
    pub kind: RunKind,
    /// How far it is.
    pub status: RunStatus,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its checks, in the order in which they were made.
    pub checks: Vec<CheckResult>,
    /// Why it failed, for people.
    pub failure: Option<String>,
}

impl Run {
    /// A new run that waits to begin.
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

    /// How many things were compared.
    pub fn compared(&self) -> u64 {
        self.checks.iter().map(|check| check.compared).sum()
    }

    /// How many of them differ.
    pub fn differences(&self) -> u64 {
        self.checks.iter().map(|check| check.differences).sum()
    }

    /// The share of what was compared that is equal, 0 to 1; only of a completed run. 1 is the only good value. A thing
    /// may differ in more than one way, so it is cut off at 0.
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
    fn names_lead_back() {
        assert!(Check::ALL.into_iter().all(|check| Check::from_name(check.name()) == Some(check)));
        assert!(RunKind::ALL.into_iter().all(|kind| RunKind::from_name(kind.name()) == Some(kind)));
        assert!(RunStatus::ALL.into_iter().all(|one| RunStatus::from_name(one.name()) == Some(one)));
    }
}
