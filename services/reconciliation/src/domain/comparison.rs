//! The result of a check while it is made.

use jiff::Timestamp;

use super::finding::Finding;
use super::run::{Check, CheckResult};

/// The most findings of a check that are kept; beyond, differences are only counted.
const MAX_FINDINGS: usize = 10_000;

/// What a check has compared, and the differences that it has found.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The counts.
    pub result: CheckResult,
    /// The first 10,000 differences.
    pub findings: Vec<Finding>,
}

impl Comparison {
    /// Nothing compared yet, as of `as_of`.
    pub fn new(check: Check, as_of: Timestamp) -> Self {
        let result = CheckResult { check, compared: 0, differences: 0, as_of };
        Self { result, findings: Vec::new() }
    }

    /// Adds the result of another part of the same check.
    pub fn add(&mut self, other: Self) {
        let left_out = other.result.differences.saturating_sub(u64::try_from(other.findings.len()).unwrap_or(u64::MAX));
        self.result.compared = self.result.compared.saturating_add(other.result.compared);
        self.result.as_of = self.result.as_of.max(other.result.as_of);
        self.found(other.findings);
        self.result.differences = self.result.differences.saturating_add(left_out);
    }

    /// Whether every difference is among the findings.
    pub fn is_complete(&self) -> bool {
        u64::try_from(self.findings.len()).is_ok_and(|kept| kept == self.result.differences)
    }

    /// Whether both sides are equal.
    pub fn is_equal(&self) -> bool {
        self.result.differences == 0
    }

    /// Counts things that were compared.
    pub fn count(&mut self, things: usize) {
        let things = u64::try_from(things).unwrap_or(u64::MAX);
        self.result.compared = self.result.compared.saturating_add(things);
    }

    /// Counts differences, and keeps them as long as there is room.
    pub fn found(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            self.result.differences = self.result.differences.saturating_add(1);
            if self.findings.len() < MAX_FINDINGS {
                self.findings.push(finding);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Difference;

    fn comparison(as_of: &str, compared: usize, differences: usize) -> Comparison {
        let mut comparison = Comparison::new(Check::Events, as_of.parse().unwrap());
        comparison.count(compared);
        comparison.found((0..differences).map(|n| Finding::new(Difference::LostEvent, n, "", "")));
        comparison
    }

    #[test]
    fn parts_of_a_check_add_up() {
        let mut all = comparison("2026-11-24T12:00:00Z", 5, 0);
        assert!(all.is_equal() && all.is_complete());
        all.add(comparison("2026-11-24T12:00:01Z", 7, 2));
        assert_eq!((all.result.compared, all.result.differences, all.findings.len()), (12, 2, 2));
        assert_eq!(all.result.as_of, "2026-11-24T12:00:01Z".parse().unwrap());
        assert!(!all.is_equal() && all.is_complete());
    }

    #[test]
    fn differences_beyond_the_bound_are_counted_only() {
        let mut all = comparison("2026-11-24T12:00:00Z", 0, MAX_FINDINGS - 1);
        all.add(comparison("2026-11-24T12:00:00Z", 0, MAX_FINDINGS + 3));
        assert_eq!((all.result.differences, all.findings.len()), (20_002, MAX_FINDINGS));
        assert!(!all.is_complete());
    }
}
