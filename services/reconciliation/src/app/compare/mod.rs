//! Comparing the books: each check reads what belongs together side by side, as of one cut, and holds a page of each
//! stream. So memory does not grow with the books, and what is under way is seen on both sides or on neither.

mod books;
mod events;
mod sorted;
mod statements;

use jiff::Timestamp;

use crate::domain::checks::Finding;
use crate::domain::{Check, CheckResult};

pub(crate) use books::Of;

/// The most findings of a check that are kept with what each side says; beyond, they are counted.
const MAX_FINDINGS: usize = 10_000;

/// What a check has come to.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) result: CheckResult,
    pub(crate) findings: Vec<Finding>,
}

impl Comparison {
    pub(super) fn new(check: Check, as_of: Timestamp) -> Self {
        let result = CheckResult { check, compared: 0, differences: 0, as_of };
        Self { result, findings: Vec::new() }
    }

    /// Adds what another part of the same check has come to.
    pub(super) fn add(&mut self, other: Self) {
        let left_out = other.result.differences.saturating_sub(u64::try_from(other.findings.len()).unwrap_or(u64::MAX));
        self.result.compared = self.result.compared.saturating_add(other.result.compared);
        self.result.as_of = self.result.as_of.max(other.result.as_of);
        self.found(other.findings);
        self.result.differences = self.result.differences.saturating_add(left_out);
    }

    /// Whether each difference is among the findings.
    pub(super) fn is_whole(&self) -> bool {
        u64::try_from(self.findings.len()).is_ok_and(|kept| kept == self.result.differences)
    }

    /// Counts things that were compared.
    fn count(&mut self, things: usize) {
        let things = u64::try_from(things).unwrap_or(u64::MAX);
        self.result.compared = self.result.compared.saturating_add(things);
    }

    fn found(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            self.result.differences = self.result.differences.saturating_add(1);
            if self.findings.len() < MAX_FINDINGS {
                self.findings.push(finding);
            }
        }
    }
}
