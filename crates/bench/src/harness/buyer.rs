//! Somebody who places orders, in one of the ways that are compared.

use std::time::Duration;

use anyhow::Context as _;
use envelope::{Error, Reason};

use super::workload::Line;

/// How long an order may take before its buyer gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A way to place orders. One value serves all clients of a load.
pub(super) trait Buyer: Send + Sync + 'static {
    /// What the way is called in messages and tables.
    const NAME: &'static str;

    /// Places one order, as the client of this number, under a key that nobody has used.
    ///
    /// # Errors
    /// When the order is refused for a reason that no benchmark should meet, such as a lack of stock.
    fn place(&self, client: usize, lines: &[Line]) -> impl Future<Output = anyhow::Result<Outcome>> + Send;

    /// How often a transaction was tried again so far.
    ///
    /// # Errors
    /// When the processes that count it can't be asked.
    fn retries(&self) -> impl Future<Output = anyhow::Result<u64>> + Send;
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is in the books.
    Placed,
    /// No answer in time: it may or may not be in the books.
    TimedOut,
    /// Refused, since too much is going on; to be tried again after this time.
    Overloaded(Duration),
    /// Somebody was away: it may or may not be in the books.
    Unavailable,
}

impl Outcome {
    /// What a failure of the platform means to a buyer.
    pub(super) fn of(error: Error) -> anyhow::Result<Self> {
        match error.reason() {
            Reason::DeadlineExceeded => Ok(Self::TimedOut),
            Reason::Overloaded => Ok(Self::Overloaded(error.retry_after().unwrap_or_default())),
            Reason::Unavailable => Ok(Self::Unavailable),
            _ => Err(error).context("an order was refused that should have been placed"),
        }
    }
}
