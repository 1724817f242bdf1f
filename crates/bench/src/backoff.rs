//! The waits between tries.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};

/// Without end: `first`, then twice as long each time up to `longest`, each with up to as much again at random.
pub(crate) fn backoff(first: Duration, longest: Duration) -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new().with_min_delay(first).with_max_delay(longest).with_jitter().without_max_times().build()
}
