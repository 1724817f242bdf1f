//! Latencies, measured so that stalls are not hidden.
//!
//! There are two latencies. The one from the send is what a client observed. The one from the due time is what a buyer
//! who came at that time would have observed: it includes the wait of orders that a stall kept from being sent, which
//! the first does not ("coordinated omission", Gil Tene). With a rate the due times are given. Without one, orders
//! count as due evenly over the run, at the rate that was reached, and none later than it was sent.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The significant digits of latencies in µs.
const DIGITS: u8 = 3;

/// One order's times, from the start of the run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) due: Option<Duration>,
    pub(super) sent: Duration,
    pub(super) done: Duration,
}

/// A distribution of latencies, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Percentiles {
    /// The median.
    pub p50_ms: f64,
    /// The 90th percentile.
    pub p90_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// The 99.9th percentile.
    pub p999_ms: f64,
    /// The maximum.
    pub max_ms: f64,
}

/// The percentiles from the send and from the due time; `None` without orders.
pub(super) fn percentiles(mut orders: Vec<Times>) -> Option<(Percentiles, Percentiles)> {
    orders.sort_by_key(|times| times.sent);
    let end = orders.iter().map(|times| times.done).max()?;
    let interval = end / u32::try_from(orders.len()).unwrap_or(u32::MAX);
    let mut from_send = histogram()?;
    let mut from_due = histogram()?;
    for (number, times) in (0_u32..).zip(&orders) {
        let due = times.due.unwrap_or_else(|| interval * number).min(times.sent);
        from_send.saturating_record(micros(times.done - times.sent));
        from_due.saturating_record(micros(times.done.saturating_sub(due)));
    }
    Some((read(&from_send), read(&from_due)))
}

fn histogram() -> Option<Histogram<u64>> {
    let longest = micros(Duration::from_secs(24 * 60 * 60));
    // Can't fail with these constants.
    Histogram::new_with_bounds(1, longest, DIGITS).ok()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1)
}

fn read(histogram: &Histogram<u64>) -> Percentiles {
    #[allow(clippy::cast_precision_loss)] // a day in µs is far below 2^53
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
    Percentiles { p50_ms: at(0.5), p90_ms: at(0.9), p99_ms: at(0.99), p999_ms: at(0.999), max_ms: at(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(due: Option<u64>, sent: u64, done: u64) -> Times {
        let ms = Duration::from_millis;
        Times { due: due.map(ms), sent: ms(sent), done: ms(done) }
    }

    fn near(value: f64, wanted: f64) -> bool {
        (value - wanted).abs() <= wanted / 100.0
    }

    #[test]
    fn a_delayed_order_counts_from_when_it_was_due() {
        let orders: Vec<_> = (0..100).map(|n| times(Some(n * 10), 1_000 + n, 1_005 + n)).collect();
        let (send, due) = percentiles(orders).unwrap();
        assert!(near(send.max_ms, 5.0) && near(due.max_ms, 1_005.0), "{send:?} {due:?}");
    }

    #[test]
    fn a_stall_of_a_closed_loop_is_not_hidden() {
        // One client with 1 ms per order, except one order that takes a second.
        let mut clock = 0;
        let orders: Vec<_> = (0..1_000)
            .map(|n| {
                let sent = clock;
                clock += if n == 500 { 1_000 } else { 1 };
                times(None, sent, clock)
            })
            .collect();
        let (send, due) = percentiles(orders).unwrap();
        assert!(near(send.p99_ms, 1.0) && near(send.max_ms, 1_000.0), "{send:?}");
        assert!(due.p99_ms > 400.0, "{due:?}");
    }

    #[test]
    fn both_latencies_of_an_even_run_are_the_same() {
        let orders: Vec<_> = (0..1_000).map(|n| times(None, n * 2, n * 2 + 2)).collect();
        let (send, due) = percentiles(orders).unwrap();
        assert!(near(send.p999_ms, 2.0) && near(due.p999_ms, 2.0), "{send:?} {due:?}");
        assert_eq!(percentiles(Vec::new()), None);
    }
}
