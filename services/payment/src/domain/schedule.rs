//! When the resolver looks at an unsettled payment.

use std::time::Duration;

use jiff::Timestamp;

/// The resolver looks at a payment again after a quarter of its age, within these bounds: often while it is young,
/// rarely when the provider has been down for hours.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// When the resolver looks at an unsettled payment again.
pub(super) fn next_look(created_at: Timestamp, now: Timestamp) -> Timestamp {
    now + (age(created_at, now) / 4).clamp(SHORTEST_WAIT, LONGEST_WAIT)
}

/// The age of a payment: 0 when the clock of the replica that created the payment is ahead.
pub(super) fn age(created_at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(created_at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_next_look_is_a_quarter_of_the_age_away() {
        assert_eq!(next_look(at(0), at(0)), at(1));
        assert_eq!(next_look(at(0), at(40)), at(50));
        assert_eq!(next_look(at(0), at(86_400)), at(86_460));
    }

    proptest! {
        #[test]
        fn the_next_look_is_1_to_60_seconds_away_and_never_sooner_for_an_older_payment(
            age in -10_000_i64..1_000_000,
            older_by in 0_i64..1_000_000,
        ) {
            let (now, wait) = (at(2_000_000), |age| next_look(at(2_000_000 - age), at(2_000_000)));
            prop_assert!((now + SHORTEST_WAIT..=now + LONGEST_WAIT).contains(&wait(age)));
            prop_assert!(wait(age + older_by) >= wait(age));
            prop_assert_eq!(wait(age.min(4)), now + SHORTEST_WAIT);
        }
    }
}
