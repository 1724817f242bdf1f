//! The slices of time in which the events of a full run are compared, each as of a cut of its own.

use std::time::Duration;

use jiff::Timestamp;

use super::time_range::TimeRange;

const SHORTEST: Duration = Duration::from_secs(5 * 60);
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);
/// A slice with more events is followed by a shorter one, a slice with at most as many by a longer one.
const TARGET_EVENTS: u64 = 100_000;

/// How long the next slice is. It grows where little happened, and shrinks where the server does not keep a cut for as
/// long as a slice takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceLength(Duration);

impl Default for SliceLength {
    fn default() -> Self {
        Self(SHORTEST)
    }
}

impl SliceLength {
    /// The slice that begins at `from` and ends by `end`.
    pub fn slice(self, from: Timestamp, end: Timestamp) -> TimeRange {
        TimeRange { from, to: end.min(from + self.0) }
    }

    /// The length after a slice in which that many events were compared.
    #[must_use]
    pub fn after(self, compared: u64) -> Self {
        let length = if compared > TARGET_EVENTS { self.0 / 2 } else { self.0 * 2 };
        Self(length.clamp(SHORTEST, LONGEST))
    }

    /// The length with which a failed slice is tried again; `None` when it was the shortest already.
    pub fn after_failure(self) -> Option<Self> {
        (self.0 > SHORTEST).then(|| Self((self.0 / 8).max(SHORTEST)))
    }

    /// The length itself.
    pub fn length(self) -> Duration {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_double_up_to_6_hours_and_halve_down_to_5_minutes() {
        let mut length = SliceLength::default();
        let mut grown = Vec::new();
        for _ in 0..8 {
            grown.push(length.length().as_secs() / 60);
            length = length.after(TARGET_EVENTS);
        }
        assert_eq!(grown, [5, 10, 20, 40, 80, 160, 320, 360]);
        length = length.after(TARGET_EVENTS + 1);
        assert_eq!(length.length(), Duration::from_secs(3 * 60 * 60));
        assert_eq!(SliceLength::default().after(u64::MAX), SliceLength::default());
    }

    #[test]
    fn a_failed_slice_is_tried_again_much_shorter_until_it_is_the_shortest() {
        let longest = SliceLength(LONGEST);
        let shorter = longest.after_failure().unwrap();
        assert_eq!(shorter.length(), Duration::from_secs(45 * 60));
        let much_shorter = shorter.after_failure().unwrap();
        assert_eq!(much_shorter.length(), LONGEST / 64);
        assert_eq!(much_shorter.after_failure(), Some(SliceLength::default()));
        assert_eq!(SliceLength::default().after_failure(), None);
    }

    #[test]
    fn the_last_slice_ends_with_the_time_that_is_compared() {
        let from: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let length = SliceLength::default();
        assert_eq!(length.slice(from, from + SHORTEST * 2), TimeRange { from, to: from + SHORTEST });
        assert_eq!(length.slice(from, from + SHORTEST / 2), TimeRange { from, to: from + SHORTEST / 2 });
    }
}
