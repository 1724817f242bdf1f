//! The names of collections.

pub(super) const LINES: &str = "statement_lines";
pub(super) const STATEMENTS: &str = "statements";
pub(super) const MERCHANT_DAYS: &str = "merchant_days";
pub(super) const RUNS: &str = "reconciliations";
pub(super) const EXCEPTIONS: &str = "reconciliation_exceptions";
pub(super) const PROGRESS: &str = "reconciliation_progress";
