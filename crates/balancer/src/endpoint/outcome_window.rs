//! The calls of the last 10 s, by when they ended.

use std::time::Duration;

/// A slice is short, so that a change that hits all replicas hits them in the same one; and long enough that replicas
/// which are hardly called still have calls in the same ones.
const SLICE: Duration = Duration::from_millis(250);
const SLICES: usize = 40;

/// Calls and those of them that failed.
#[derive(Debug, Clone, Copy, Default)]
struct Calls {
    all: u32,
    failed: u32,
}

/// The calls to one replica, in slices of time that are the same for all replicas of an upstream.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// A ring: slice `number` is at `number % SLICES`.
    slices: [Calls; SLICES],
    newest: u64,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { slices: [Calls::default(); SLICES], newest: 0 }
    }

    /// Counts a call that ended so long after the upstream's start.
    pub(super) fn note(&mut self, at: Duration, failed: bool) {
        self.turn(at);
        let slice = &mut self.slices[place(self.newest)];
        slice.all = slice.all.saturating_add(1);
        slice.failed = slice.failed.saturating_add(u32::from(failed));
    }

    /// Drops what is older than 10 s at that time.
    pub(super) fn turn(&mut self, at: Duration) {
        let now = u64::try_from(at.as_millis() / SLICE.as_millis()).unwrap_or(u64::MAX);
        for number in (self.newest + 1..=now).take(SLICES) {
            self.slices[place(number)] = Calls::default();
        }
        self.newest = self.newest.max(now);
    }

    /// By how many percent of its calls this one fails more than if it failed as often as the others did at the same
    /// times; unless they say too little, with fewer than so many calls of this one or of the others.
    ///
    /// This is indirect standardisation: without it, one that got fewer calls than the others when all had recovered
    /// would look worse than they do for failures that all had.
    pub(crate) fn excess_percent(&self, others: &[Self], min_calls: u32) -> Option<f64> {
        let (mut own, mut theirs, mut expected) = (Calls::default(), 0_u32, 0.0);
        for (place, slice) in self.slices.iter().enumerate() {
            let others = others.iter().map(|other| other.slices[place]);
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

fn place(number: u64) -> usize {
    usize::try_from(number % SLICES as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN_CALLS: u32 = 20;

    /// So many calls and failures at each of these times, in ms.
    fn tally(calls: &[(u64, u32, u32)]) -> Tally {
        let mut tally = Tally::new();
        for (at, all, failed) in calls {
            for number in 0..*all {
                tally.note(Duration::from_millis(*at), number < *failed);
            }
        }
        tally
    }

    fn excess(own: &[(u64, u32, u32)], others: &[&[(u64, u32, u32)]]) -> Option<i64> {
        let others: Vec<_> = others.iter().map(|other| tally(other)).collect();
        #[allow(clippy::cast_possible_truncation)] // percents
        tally(own).excess_percent(&others, MIN_CALLS).map(|excess| excess.round() as i64)
    }

    #[test]
    fn who_fails_more_at_the_same_time_stands_out() {
        assert_eq!(excess(&[(0, 40, 20)], &[&[(0, 50, 0)], &[(240, 50, 10)]]), Some(40));
        assert_eq!(excess(&[(0, 40, 4)], &[&[(0, 50, 25)]]), Some(-40));
    }

    #[test]
    fn who_had_fewer_calls_when_all_were_well_does_not() {
        let [all_fail, all_are_well] = [0, 1_000];
        let own = [(all_fail, 200, 100), (all_are_well, 2, 0)];
        let other = [(all_fail, 200, 100), (all_are_well, 600, 0)];
        assert_eq!(excess(&own, &[&other, &other]), Some(0));
    }

    #[test]
    fn too_few_calls_or_none_at_the_same_times_say_nothing() {
        assert_eq!(excess(&[(0, 19, 19)], &[&[(0, 500, 0)]]), None);
        assert_eq!(excess(&[(0, 500, 500)], &[&[(0, 19, 0)]]), None);
        assert_eq!(excess(&[(0, 500, 500)], &[&[(250, 500, 0)]]), None);
        assert_eq!(excess(&[(0, 500, 500)], &[]), None);
    }

    #[test]
    fn what_is_older_than_ten_seconds_is_dropped() {
        let (bad, good) = ([(0, 30, 30), (9_900, 30, 0)], [(0, 30, 0), (9_900, 30, 0)]);
        assert_eq!(excess(&bad, &[&good]), Some(50));
        let mut both = [tally(&bad), tally(&good)];
        both.iter_mut().for_each(|tally| tally.turn(Duration::from_secs(10)));
        assert_eq!(both[0].excess_percent(&both[1..], MIN_CALLS), Some(0.0));
        both.iter_mut().for_each(|tally| tally.turn(Duration::from_secs(1_000)));
        assert_eq!(both[0].excess_percent(&both[1..], MIN_CALLS), None);
    }
}
