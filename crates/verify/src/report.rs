//! The report: how much was checked, and each check with its differences.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::findings::{Check, Differences, Findings};

/// How many documents were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// Stock counters.
    pub skus: u64,
    /// Stock movements.
    pub movements: u64,
    /// Orders by status.
    pub orders: BTreeMap<String, u64>,
    /// Lines of all orders.
    pub order_lines: u64,
    /// Accounts.
    pub accounts: u64,
    /// Account entries.
    pub entries: u64,
    /// Payments by status.
    pub payments: BTreeMap<String, u64>,
}

/// The result of a check of the books.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The database.
    pub database: String,
    /// The moment of the snapshot, by the database's clock.
    pub as_of: Option<Timestamp>,
    /// How long the check took, in ms.
    pub duration_ms: u128,
    /// How many documents were read.
    pub counted: Counted,
    /// Every check with its differences.
    pub checks: Vec<Checked>,
}

/// One check with its differences.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    /// The check.
    pub check: Check,
    /// The check as a sentence.
    pub text: &'static str,
    /// What it found.
    pub differences: Differences,
}

impl Report {
    pub(crate) fn new(
        database: &str,
        as_of: Option<Timestamp>,
        duration: Duration,
        counted: Counted,
        findings: Findings,
    ) -> Self {
        let mut found = findings.into_inner();
        let checks = Check::ALL.iter().map(|check| Checked {
            check: *check,
            text: check.text(),
            differences: found.remove(check).unwrap_or_default(),
        });
        let checks = checks.collect();
        Self { database: database.to_owned(), as_of, duration_ms: duration.as_millis(), counted, checks }
    }

    /// Whether no check found a difference.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.checks.iter().all(|checked| checked.differences.count == 0)
    }

    /// The checks that found a difference.
    pub fn failed(&self) -> impl Iterator<Item = &Checked> {
        self.checks.iter().filter(|checked| checked.differences.count > 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counted { skus, movements, orders, order_lines, accounts, entries, payments } = &self.counted;
        match &self.as_of {
            Some(as_of) => writeln!(f, "the books of {} as of {as_of}", self.database)?,
            None => writeln!(f, "the books of {}", self.database)?,
        }
        writeln!(f, "  SKUs       {skus}, with {movements} movements")?;
        writeln!(f, "  orders     {}, with {order_lines} lines{}", total(orders), by_status(orders))?;
        writeln!(f, "  accounts   {accounts}, with {entries} entries")?;
        writeln!(f, "  payments   {}{}", total(payments), by_status(payments))?;
        #[allow(clippy::cast_precision_loss)] // for showing
        let seconds = self.duration_ms as f64 / 1_000.0;
        writeln!(f, "  read in    {seconds:.1} s\n")?;
        for checked in &self.checks {
            match checked.differences.count {
                0 => writeln!(f, "  ok     {}", checked.text)?,
                count => writeln!(f, "  WRONG  {}: {count}", checked.text)?,
            }
            for difference in &checked.differences.first {
                writeln!(f, "           {}", difference.subject)?;
                writeln!(f, "             expected  {}", difference.expected)?;
                writeln!(f, "             found     {}", difference.found)?;
            }
            let more = checked.differences.count.saturating_sub(kept(&checked.differences));
            if more > 0 {
                writeln!(f, "           and {more} more")?;
            }
        }
        write!(f, "\n{}", if self.is_clean() { "the books are correct" } else { "THE BOOKS ARE WRONG" })
    }
}

fn kept(differences: &Differences) -> u64 {
    u64::try_from(differences.first.len()).unwrap_or(u64::MAX)
}

fn total(counts: &BTreeMap<String, u64>) -> u64 {
    counts.values().sum()
}

fn by_status(counts: &BTreeMap<String, u64>) -> String {
    let parts: Vec<String> = counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}
