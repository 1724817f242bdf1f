//! A cell of the comparison: both sides under one load.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

use super::naive::Naive;
use crate::harness::buyer::Buyer as _;
use crate::harness::lanes::Lanes;
use crate::harness::results;
use crate::harness::round::{Measured, Ratio};
use crate::harness::workload::Workload;

/// The kind of loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Loop {
    /// Each client sends its next order when it has the answer to its last.
    Closed,
    /// Orders arrive at 80 % of the rate that the order service reached in the closed loop, on both sides.
    Open,
}

/// Both sides under one load.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrdersCell {
    pub(super) workload: Workload,
    pub(super) clients: usize,
    pub(super) r#loop: Loop,
    pub(super) naive: Measured,
    pub(super) lanes: Measured,
    #[serde(flatten)]
    pub(super) ratio: Ratio,
}

impl OrdersCell {
    /// Prints both sides as lines of the table.
    ///
    /// # Errors
    /// When stdout can't be written to.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        let Self { workload, clients, r#loop, naive, lanes, ratio } = self;
        let cell = format!("{:<12}{clients:>7}  {loop}", workload.to_string(), loop = r#loop);
        results::line(&cell, Naive::NAME, naive, &Ratio::default())?;
        results::line("", Lanes::NAME, lanes, ratio)
    }
}

impl fmt::Display for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
        })
    }
}
