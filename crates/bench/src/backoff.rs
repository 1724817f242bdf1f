//! The waits between attempts.

use std::time::Duration;

use service::Backoff;

/// An endless exponential backoff: `first`, then twice as long each time up to `longest`, each with a random addition
/// of up to its own length.
pub(crate) fn backoff(first: Duration, longest: Duration) -> impl Iterator<Item = Duration> {
    Backoff::new(first, longest).pauses()
}
