//! The calls of one replica over the last 10 s, and how they compare with those of the others.
//!
//! The comparison is indirect standardisation: the expected failures of a replica are its calls in each slice of time,
//! times the failure rate of the others in the same slice. Without it, a replica that got fewer calls than the others
//! after all had recovered would look worse than them, for failures that all had.

use std::time::Duration;

/// Short, so that a change that affects all replicas falls into the same slice of each; and long enough that replicas
/// with few calls still have calls in the same slices.
const SLICE: Duration = Duration::from_millis(250);
const SLICES: usize = 40;

/// Calls, and the failed ones among them.
#[derive(Debug, Clone, Copy, Default)]
struct Calls {
    all: u32,
    failed: u32,
}

/// The calls of one replica, in slices of time that all replicas of an upstream share. Memory is fixed.
#[derive(Debug, Clone)]
pub(crate) struct OutcomeWindow {
    /// A ring: slice `number` is at `number % SLICES`.
    slices: [Calls; SLICES],
    newest: u64,
}

impl OutcomeWindow {
    pub(super) fn new() -> Self {
        Self { slices: [Calls::default(); SLICES], newest: 0 }
    }

    /// Counts a call that ended at `at`, a time since the upstream's start.
    pub(super) fn record(&mut self, at: Duration, failed: bool) {
        self.advance(at);
        let slice = &mut self.slices[position(self.newest)];
        slice.all = slice.all.saturating_add(1);
        slice.failed = slice.failed.saturating_add(u32::from(failed));
    }

    /// Drops calls that are older than 10 s at `at`.
    pub(super) fn advance(&mut self, at: Duration) {
        let now = u64::try_from(at.as_millis() / SLICE.as_millis()).unwrap_or(u64::MAX);
        for number in (self.newest + 1..=now).take(SLICES) {
            self.slices[position(number)] = Calls::default();
        }
        self.newest = self.newest.max(now);
    }

    /// The failures of this replica beyond the expected ones, in percent of its calls. `None` if it or the others had
    /// fewer than `min_calls` calls in common slices.
    pub(crate) fn excess_percent(&self, others: &[Self], min_calls: u32) -> Option<f64> {
        let (mut own, mut theirs, mut expected) = (Calls::default(), 0_u32, 0.0);
        for (position, slice) in self.slices.iter().enumerate() {
            let others = others.iter().map(|other| other.slices[position]);
            let others = others.fold(Calls::default(), Calls::plus);
            if slice.all > 0 && others.all > 0 {
                own = own.plus(*slice);
                theirs = theirs.saturating_add(others.all);
                expected += f64::from(slice.all) * f64::from(others.failed) / f64::from(others.all);
            }
        }
        let is_enough = own.all >= min_calls && theirs >= min_calls;
        is_enough.then(|| (f64::from(own.failed) - expected) * 100.0 / f64::from(own.all))
    }
}

impl Calls {
    fn plus(self, other: Self) -> Self {
        Self { all: self.all.saturating_add(other.all), failed: self.failed.saturating_add(other.failed) }
    }
}

fn position(number: u64) -> usize {
    usize::try_from(number % SLICES as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN_CALLS: u32 = 20;

    /// Calls and failures at each of these times, in ms.
    fn window(calls: &[(u64, u32, u32)]) -> OutcomeWindow {
        let mut window = OutcomeWindow::new();
        for (at, all, failed) in calls {
            for number in 0..*all {
                window.record(Duration::from_millis(*at), number < *failed);
            }
        }
        window
    }

    fn excess(own: &[(u64, u32, u32)], others: &[&[(u64, u32, u32)]]) -> Option<i64> {
        let others: Vec<_> = others.iter().map(|other| window(other)).collect();
        #[allow(clippy::cast_possible_truncation)] // percents
        window(own).excess_percent(&others, MIN_CALLS).map(|excess| excess.round() as i64)
    }

    #[test]
    fn a_replica_that_fails_more_at_the_same_time_stands_out() {
        assert_eq!(excess(&[(0, 40, 20)], &[&[(0, 50, 0)], &[(240, 50, 10)]]), Some(40));
        assert_eq!(excess(&[(0, 40, 4)], &[&[(0, 50, 25)]]), Some(-40));
    }

    #[test]
    fn a_replica_with_fewer_calls_after_a_recovery_does_not() {
        let [all_fail, all_are_well] = [0, 1_000];
        let own = [(all_fail, 200, 100), (all_are_well, 2, 0)];
        let other = [(all_fail, 200, 100), (all_are_well, 600, 0)];
        assert_eq!(excess(&own, &[&other, &other]), Some(0));
    }

    #[test]
    fn too_few_calls_in_common_slices_give_no_result() {
        assert_eq!(excess(&[(0, 19, 19)], &[&[(0, 500, 0)]]), None);
        assert_eq!(excess(&[(0, 500, 500)], &[&[(0, 19, 0)]]), None);
        assert_eq!(excess(&[(0, 500, 500)], &[&[(250, 500, 0)]]), None);
        assert_eq!(excess(&[(0, 500, 500)], &[]), None);
    }

    #[test]
    fn calls_older_than_ten_seconds_are_dropped() {
        let (bad, good) = ([(0, 30, 30), (9_900, 30, 0)], [(0, 30, 0), (9_900, 30, 0)]);
        assert_eq!(excess(&bad, &[&good]), Some(50));
        let mut both = [window(&bad), window(&good)];
        both.iter_mut().for_each(|window| window.advance(Duration::from_secs(10)));
        assert_eq!(both[0].excess_percent(&both[1..], MIN_CALLS), Some(0.0));
        both.iter_mut().for_each(|window| window.advance(Duration::from_secs(1_000)));
        assert_eq!(both[0].excess_percent(&both[1..], MIN_CALLS), None);
    }
}
