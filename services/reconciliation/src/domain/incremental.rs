//! Which time the next incremental run compares, and when it stops waiting for events that were not applied.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::time_range::TimeRange;

/// The longest time that one run compares, and the longest wait for events. Older changes are left to the daily run.
const MAX_WINDOW: Duration = Duration::from_secs(60 * 60);
/// A window that is no longer than this is not halved.
const SHORTEST_WINDOW: SignedDuration = SignedDuration::from_secs(1);

/// How far incremental runs have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncrementalProgress {
    compared_to: Option<Timestamp>,
    /// The end of the window that is compared again, since not all of its events were applied.
    waits_until: Option<Timestamp>,
}

/// When the next incremental run is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAttempt {
    /// At once: there is settled time left to compare.
    Now,
    /// When the events that were published again have had the time to be applied.
    AfterSettling,
    /// After the configured period.
    AfterPeriod,
}

/// Even the shortest window has too many changes for one run; it is left to the daily run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyChanges;

impl IncrementalProgress {
    /// Goes on where an earlier process has stopped.
    pub fn resumed(compared_to: Option<Timestamp>) -> Self {
        Self { compared_to, waits_until: None }
    }

    /// The time to compare when everything up to `settled` has settled; `None` when nothing has since the last run.
    /// It is empty when the run has waited for events for an hour: then it continues without them.
    pub fn next_window(&self, settled: Timestamp) -> Option<TimeRange> {
        let earliest = settled - MAX_WINDOW;
        let from = self.compared_to.map_or(earliest, |at| at.max(earliest));
        (from < settled).then(|| TimeRange { from, to: self.waits_until.unwrap_or(settled).max(from) })
    }

    /// The first half of a window that has too many changes.
    ///
    /// # Errors
    /// [`TooManyChanges`] when it is a second or shorter.
    pub fn shorter(window: TimeRange) -> Result<TimeRange, TooManyChanges> {
        let length = window.to.duration_since(window.from);
        if length <= SHORTEST_WINDOW {
            Err(TooManyChanges)
        } else {
            Ok(TimeRange { to: window.from + length / 2, ..window })
        }
    }

    /// The window up to `end` was compared, but has to be compared again once its events could be applied.
    pub fn wait(&mut self, end: Timestamp) -> NextAttempt {
        self.waits_until = Some(end);
        NextAttempt::AfterSettling
    }

    /// The window up to `end` was compared for good.
    pub fn advance(&mut self, end: Timestamp, settled: Timestamp) -> NextAttempt {
        *self = Self::resumed(Some(end));
        if end < settled { NextAttempt::Now } else { NextAttempt::AfterPeriod }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        format!("2026-11-24T{text}Z").parse().unwrap()
    }

    fn window(from: &str, to: &str) -> TimeRange {
        TimeRange { from: time(from), to: time(to) }
    }

    #[test]
    fn a_window_continues_where_the_last_one_ended() {
        let progress = IncrementalProgress::resumed(Some(time("11:59:50")));
        assert_eq!(progress.next_window(time("12:00:00")), Some(window("11:59:50", "12:00:00")));
        assert_eq!(progress.next_window(time("11:59:50")), None);
        assert_eq!(progress.next_window(time("11:59:40")), None);
    }

    #[test]
    fn a_window_is_an_hour_at_most() {
        let an_hour = Some(window("11:00:00", "12:00:00"));
        assert_eq!(IncrementalProgress::resumed(None).next_window(time("12:00:00")), an_hour);
        assert_eq!(IncrementalProgress::resumed(Some(time("03:00:00"))).next_window(time("12:00:00")), an_hour);
    }

    #[test]
    fn while_it_waits_the_same_window_is_compared_again() {
        let mut progress = IncrementalProgress::resumed(Some(time("11:00:00")));
        assert_eq!(progress.wait(time("11:00:10")), NextAttempt::AfterSettling);
        assert_eq!(progress.next_window(time("11:01:10")), Some(window("11:00:00", "11:00:10")));
        assert_eq!(progress.advance(time("11:00:10"), time("11:01:10")), NextAttempt::Now);
        assert_eq!(progress.next_window(time("11:01:10")), Some(window("11:00:10", "11:01:10")));
        assert_eq!(progress.advance(time("11:01:10"), time("11:01:10")), NextAttempt::AfterPeriod);
    }

    #[test]
    fn after_an_hour_it_goes_on_without_the_events() {
        let mut progress = IncrementalProgress::resumed(Some(time("11:00:00")));
        progress.wait(time("11:00:10"));
        assert_eq!(progress.next_window(time("12:00:05")), Some(window("11:00:05", "11:00:10")));
        assert_eq!(progress.next_window(time("12:00:20")), Some(window("11:00:20", "11:00:20")));
    }

    #[test]
    fn a_window_with_too_many_changes_is_halved_down_to_a_second() {
        assert_eq!(IncrementalProgress::shorter(window("11:00:00", "11:00:10")), Ok(window("11:00:00", "11:00:05")));
        assert_eq!(IncrementalProgress::shorter(window("11:00:00", "11:00:01")), Err(TooManyChanges));
    }
}
