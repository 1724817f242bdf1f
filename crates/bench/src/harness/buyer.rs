//! A buyer places orders in one of the ways that are compared.

use std::time::Duration;

use anyhow::Context as _;
use envelope::{Error, Reason};

use super::workload::OrderLine;

/// How long an order may take before its buyer gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A way to place orders. One value serves all clients of a load.
pub(crate) trait Buyer: Send + Sync + 'static {
    /// The name in messages and tables.
    const NAME: &'static str;

    /// Places one order as the client with this number, under a new idempotency key.
    ///
    /// # Errors
    /// When the order is refused for a reason that a benchmark should not meet, such as insufficient stock.
    fn place(&self, client: usize, lines: &[OrderLine]) -> impl Future<Output = anyhow::Result<Outcome>> + Send;

    /// How many times a transaction was retried so far.
    ///
    /// # Errors
    /// When the processes that count them can't be reached.
    fn retries(&self) -> impl Future<Output = anyhow::Result<u64>> + Send;
}

/// The outcome of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Committed.
    Placed,
    /// No answer in time: the order may or may not be committed.
    TimedOut,
    /// Refused because of overload; may be retried after this time.
    Overloaded(Duration),
    /// A process was unavailable: the order may or may not be committed.
    Unavailable,
}

impl Outcome {
    /// The outcome that an error of the platform stands for.
    pub(crate) fn of(error: Error) -> anyhow::Result<Self> {
        match error.reason() {
            Reason::DeadlineExceeded => Ok(Self::TimedOut),
            Reason::Overloaded => Ok(Self::Overloaded(error.retry_after().unwrap_or_default())),
            Reason::Unavailable => Ok(Self::Unavailable),
            _ => Err(error).context("an order was refused that should have been placed"),
        }
    }
}
