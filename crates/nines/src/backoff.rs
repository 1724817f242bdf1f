//! The pauses between attempts.

use std::time::Duration;

use service::Backoff;

/// An endless sequence: `first`, doubled each time up to `longest`, each plus up to as much again at random.
pub(crate) fn backoff(first: Duration, longest: Duration) -> impl Iterator<Item = Duration> {
    Backoff::new(first, longest).pauses()
}
