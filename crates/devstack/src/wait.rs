//! Waiting for a condition, with a bound.

use std::time::Duration;

use tokio::time::Instant;

use crate::{Error, Result};

/// How often a condition is checked.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// The result of one check of a condition.
pub(crate) enum Look<T> {
    /// It holds.
    Ready(T),
    /// It does not hold yet; what was observed instead.
    NotYet(String),
}

/// Checks a condition every [`POLL`] until it holds.
///
/// # Errors
/// [`Error::TimedOut`] with the last observation after `bound`; an error of `look` ends the wait at once.
pub(crate) async fn until<T, F>(what: &str, bound: Duration, mut look: F) -> Result<T>
where
    F: AsyncFnMut() -> Result<Look<T>>,
{
    let deadline = Instant::now() + bound;
    let mut last = String::from("nothing yet");
    loop {
        match tokio::time::timeout_at(deadline, look()).await {
            Ok(Ok(Look::Ready(value))) => return Ok(value),
            Ok(Ok(Look::NotYet(seen))) => last = seen,
            Ok(Err(error)) => return Err(error),
            Err(_elapsed) => return Err(Error::TimedOut { what: what.to_owned(), after: bound, last }),
        }
        tokio::time::sleep_until(deadline.min(Instant::now() + POLL)).await;
        if Instant::now() >= deadline {
            return Err(Error::TimedOut { what: what.to_owned(), after: bound, last });
        }
    }
}
