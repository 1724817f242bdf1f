//! Tests of the counts.

use primitives::UserId;
use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const US: Counter = Counter(1);
const THEM: Counter = Counter(2);

fn user() -> Subject {
    Subject::User(UserId::new())
}

fn entry(subject: Subject, bucket: Bucket, count: u32) -> Entry {
    Entry { subject, bucket, counter: THEM, count }
}

#[test]
fn a_window_has_its_steps_and_no_more() {
    let (mut counts, one) = (Counts::new(US, 10), user());
    for bucket in [100, 111, 111, 112] {
        assert!(counts.add(one, bucket));
    }
    assert_eq!(counts.count(one, MINUTE, 111), 3);
    assert_eq!(counts.count(one, MINUTE, 112), 3);
    assert_eq!(counts.count(one, MINUTE, 123), 1);
    assert_eq!(counts.count(one, MINUTE, 124), 0);
    assert_eq!(counts.count(one, Duration::from_secs(10), 112), 3);
    assert_eq!(counts.count(user(), MINUTE, 112), 0);
}

#[test]
fn counts_of_others_are_added_once_and_our_own_never() {
    let (mut counts, one) = (Counts::new(US, 10), user());
    counts.add(one, 5);
    for count in [3, 2, 3] {
        counts.learn(entry(one, 5, count));
    }
    counts.learn(Entry { counter: US, ..entry(one, 5, 9) });
    counts.learn(Entry { counter: Counter(3), ..entry(one, 4, 1) });
    assert_eq!(counts.count(one, MINUTE, 5), 5);
}

#[test]
fn changed_counts_are_told_the_highest_first() {
    let (mut counts, one, two) = (Counts::new(US, 10), user(), user());
    for subject in [one, one, two] {
        counts.add(subject, 7);
    }
    counts.learn(entry(two, 7, 50));
    let first = counts.untold(1);
    assert_eq!(first, [Entry { counter: US, ..entry(one, 7, 2) }]);
    // Counted while it was being told.
    counts.add(one, 7);
    counts.told(&first);
    let mut left: Vec<_> = counts.untold(10).into_iter().map(|entry| entry.count).collect();
    left.sort_unstable();
    assert_eq!(left, [1, 3]);
    let rest = counts.untold(10);
    counts.told(&rest);
    assert!(counts.untold(10).is_empty());
}

#[test]
fn counts_are_bounded_and_forgetting_old_ones_frees_room() {
    let mut counts = Counts::new(US, 2);
    let (one, two, three) = (user(), user(), user());
    assert!(counts.add(one, 0) && counts.add(two, 11));
    assert!(!counts.add(three, 11) && !counts.add(two, 12));
    assert!(counts.add(two, 11));
    counts.learn(entry(three, 11, 5));
    assert_eq!((counts.count(three, MINUTE, 11), counts.len()), (0, 2));
    counts.forget_before(MINUTE, 12);
    assert_eq!((counts.count(one, MINUTE, 0), counts.len(), counts.untold(9).len()), (0, 1, 1));
    assert!(counts.add(three, 12));
}

#[test]
fn a_step_ends_where_the_next_begins() {
    let end = bucket_end(7);
    assert_eq!((end.as_second(), bucket_at(end)), (40, 8));
}

proptest! {
    /// The sum is that of the highest number of each counter, however often and in whatever order they arrive.
    #[test]
    fn repeated_counts_change_nothing(told in prop::collection::vec((0_i64..20, 1_i64..4, 0_u32..9), 0..60)) {
        let (mut counts, one) = (Counts::new(US, 1_000), user());
        let mut highest = HashMap::new();
        for (bucket, counter, count) in told {
            let counter = Counter(counter);
            counts.learn(Entry { subject: one, bucket, counter, count });
            let known = highest.entry((bucket, counter)).or_insert(0);
            *known = count.max(*known);
        }
        let expected: u64 = highest
            .iter()
            .filter(|((bucket, counter), _)| *counter != US && *bucket > 7)
            .map(|(_, count)| u64::from(*count))
            .sum();
        prop_assert_eq!(counts.count(one, MINUTE, 19), expected);
    }
}
