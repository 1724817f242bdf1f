//! Half-open ranges of time.

use std::time::Duration;

use jiff::Timestamp;

/// From `from` up to, but without, `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it; not before `from`.
    pub to: Timestamp,
}

impl TimeRange {
    /// Begins earlier and ends later by `margin`.
    #[must_use]
    pub fn widened(self, margin: Duration) -> Self {
        Self { from: self.from - margin, to: self.to + margin }
    }
}
