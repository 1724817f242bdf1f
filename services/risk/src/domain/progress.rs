//! How far the counts of other processes have been read.

use std::time::Duration;

use jiff::Timestamp;

/// How long a written count may stay invisible: until the transaction that wrote it commits.
const COMMIT_DELAY: Duration = Duration::from_secs(2);
/// How far the clocks of the database and of this process may differ at the first read.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// The position in the stream of counts, which are read page by page in the order of the database's time.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The database's time of the latest count that was read.
    latest: Option<Timestamp>,
}

impl Progress {
    /// The time from which a round reads: everything that the window reaches the first time; later, what may have been
    /// committed since the last round.
    pub(crate) fn since(&self, window: Duration, now: Timestamp) -> Timestamp {
        match self.latest {
            Some(latest) => latest - COMMIT_DELAY,
            None => now - window - MAX_CLOCK_SKEW,
        }
    }

    /// Records a page that was read from `since`; `last` is the time of its last count. Returns the time from which the
    /// next page of the round is read, or `None` at the end of the round.
    pub(crate) fn advance(&mut self, since: Timestamp, last: Option<Timestamp>, is_full: bool) -> Option<Timestamp> {
        let last = last?;
        self.latest = Some(self.latest.map_or(last, |latest| latest.max(last)));
        // A page full of counts of a single time would be read for ever.
        (is_full && last > since).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_first_round_reads_the_window_and_later_ones_what_is_new() {
        let (mut progress, window) = (Progress::default(), Duration::from_secs(600));
        assert_eq!(progress.since(window, at(1_000)), at(340));
        // Nothing there: the next round reads the window again.
        assert_eq!(progress.advance(at(340), None, false), None);
        assert_eq!(progress.since(window, at(1_001)), at(341));
        assert_eq!(progress.advance(at(341), Some(at(990)), false), None);
        assert_eq!(progress.since(window, at(1_002)), at(988));
    }

    #[test]
    fn a_round_reads_on_while_pages_are_full_and_time_advances() {
        let mut progress = Progress::default();
        assert_eq!(progress.advance(at(10), Some(at(20)), true), Some(at(20)));
        assert_eq!(progress.advance(at(20), Some(at(20)), true), None);
        assert_eq!(progress.advance(at(18), Some(at(19)), false), None);
        // The position never goes back.
        assert_eq!(progress.since(Duration::ZERO, at(99)), at(18));
    }
}
