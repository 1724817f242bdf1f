//! Statements against their lines.

use std::time::Duration;

use envelope::Error;
use mongo::Cut;
use service::Deadline;

use crate::domain::{Check, Comparison};
use crate::store::Statements;

/// The number of newest days that are compared. Older statements no longer change.
const DAYS: usize = 31;
/// How long a page of 1,000 customers may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(240);

/// Compares the merchant's and the customers' statements of the newest days, each page of customers as of a moment of
/// its own, since a statement and its lines change together.
pub(in crate::app) async fn compare_statements(statements: &Statements, cut: Cut) -> Result<Comparison, Error> {
    let mut comparison = Comparison::new(Check::Statements, cut.time());
    let days = statements.days(Deadline::after(PAGE_TIMEOUT)).await?;
    for day in days.into_iter().rev().take(DAYS) {
        let merchant = statements.audit_merchant_day(day, Deadline::after(PAGE_TIMEOUT)).await?;
        comparison.count(1);
        comparison.found(merchant);
        let mut after = None;
        loop {
            let page = statements.audit(day, after, Deadline::after(PAGE_TIMEOUT)).await?;
            comparison.count(page.checked);
            comparison.found(page.findings);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(comparison)
}
