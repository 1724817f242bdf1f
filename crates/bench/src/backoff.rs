//! The waits between attempts.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};

/// An endless exponential backoff: `first`, then twice as long each time up to `longest`, each with a random addition
/// of up to its own length.
pub(crate) fn backoff(first: Duration, longest: Duration) -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new().with_min_delay(first).with_max_delay(longest).with_jitter().without_max_times().build()
}
