//! The review of orders that were accepted without this service.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::counts::first_of;
use super::{Assessment, Attempt, Bucket, Candidate, Counter, Counts, Entry, Subject, VersionedRules, bucket_at};

/// Orders to be reviewed together, and the rules that they are judged by.
#[derive(Debug, Clone)]
pub(crate) struct Review {
    rules: Arc<VersionedRules>,
    /// In the order in which they were placed.
    orders: Vec<Candidate>,
    /// Attempts that this process has counted already: it was asked, but its answer came too late.
    counted: HashSet<Attempt>,
}

/// The result of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Findings {
    /// One for each order.
    pub(crate) assessments: Vec<Assessment>,
    /// To be added to the counts of [`Counter::REVIEWS`].
    pub(crate) counts: Vec<Entry>,
}

impl Review {
    pub(crate) fn new(
        rules: Arc<VersionedRules>,
        mut orders: Vec<Candidate>,
        has_counted: impl Fn(&Attempt) -> bool,
    ) -> Self {
        orders.sort_by_key(|order| order.at);
        let counted = orders.iter().map(|order| order.attempt).filter(has_counted).collect();
        Self { rules, orders, counted }
    }

    /// The counts that the review needs: for each subject the first and the last step that a window of its orders
    /// reaches. Empty if no rule counts orders.
    pub(crate) fn spans(&self) -> HashMap<Subject, (Bucket, Bucket)> {
        let mut spans = HashMap::<Subject, (Bucket, Bucket)>::new();
        let Some(window) = self.rules.rules.longest_window() else { return spans };
        for order in &self.orders {
            let last = bucket_at(order.at);
            let first = first_of(window, last);
            for subject in order.subjects() {
                let span = spans.entry(subject).or_insert((first, last));
                *span = (first.min(span.0), last.max(span.1));
            }
        }
        spans
    }

    /// Judges the orders one after the other, each with those before it counted. `known` are the counts of all counters
    /// in the [spans](Self::spans).
    pub(crate) fn decide(&self, known: &[Entry], now: Timestamp) -> Findings {
        let mut counts = Counts::new(Counter::UNWRITTEN, usize::MAX);
        for entry in known {
            counts.learn(*entry);
        }
        let counts_orders = self.rules.rules.longest_window().is_some();
        let mut assessments = Vec::with_capacity(self.orders.len());
        for order in &self.orders {
            if counts_orders && !self.counted.contains(&order.attempt) {
                for subject in order.subjects() {
                    counts.add(subject, bucket_at(order.at));
                }
            }
            assessments.push(self.rules.assess(order, &counts, now));
        }
        let more = counts.untold(usize::MAX).into_iter().map(|entry| Entry { counter: Counter::REVIEWS, ..entry });
        Findings { assessments, counts: more.collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use primitives::UserId;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::rules::tests::{order, rules};
    use crate::domain::{Decision, When};

    const OF_USER: When = When::OrdersOfUser { most: 2, within_seconds: 60 };

    fn review(when: When, orders: Vec<Candidate>, counted: &[Attempt]) -> Review {
        let rules = VersionedRules { version: 1, rules: rules(&[(100, when)]) };
        Review::new(Arc::new(rules), orders, |attempt| counted.contains(attempt))
    }

    fn decisions(findings: &Findings) -> Vec<Decision> {
        findings.assessments.iter().map(|assessment| assessment.decision).collect()
    }

    /// Orders of one user, without an address, that many seconds after a time at which a step begins.
    fn orders(seconds: &[u64]) -> Vec<Candidate> {
        let first = Candidate { from: None, at: Timestamp::from_second(1_700_000_000).unwrap(), ..order(5) };
        let after = |(attempt, seconds): (u8, &u64)| Candidate {
            attempt: [attempt; 16],
            at: first.at + Duration::from_secs(*seconds),
            ..first.clone()
        };
        (0..).zip(seconds).map(after).collect()
    }

    #[test]
    fn orders_are_judged_in_the_order_in_which_they_were_placed_and_counted_once() {
        let orders = orders(&[2, 0, 1]);
        let last = orders[0].clone();
        let findings = review(OF_USER, orders, &[]).decide(&[], last.at);
        assert_eq!(decisions(&findings), [Decision::Accept, Decision::Accept, Decision::Reject]);
        let counted = Entry { subject: last.user(), bucket: bucket_at(last.at), counter: Counter::REVIEWS, count: 3 };
        assert_eq!(findings.counts, [counted]);
    }

    #[test]
    fn an_attempt_that_was_counted_in_time_is_not_counted_again() {
        let orders = orders(&[0, 1]);
        let (user, bucket) = (orders[0].user(), bucket_at(orders[0].at));
        let known = [Entry { subject: user, bucket, counter: Counter(7), count: 2 }];
        let findings = review(OF_USER, orders, &[[0; 16]]).decide(&known, primitives::now());
        assert_eq!(decisions(&findings), [Decision::Accept, Decision::Reject]);
        assert_eq!(findings.counts, [Entry { subject: user, bucket, counter: Counter::REVIEWS, count: 1 }]);
    }

    #[test]
    fn earlier_reviews_count_too() {
        let orders = orders(&[0]);
        let (subject, bucket) = (orders[0].user(), bucket_at(orders[0].at));
        let known = [Entry { subject, bucket, counter: Counter::REVIEWS, count: 2 }];
        assert_eq!(decisions(&review(OF_USER, orders, &[]).decide(&known, primitives::now())), [Decision::Reject]);
    }

    #[test]
    fn nothing_is_read_or_counted_unless_a_rule_counts_orders() {
        let review = review(When::AmountAbove { amount: 4 }, vec![order(4), order(5)], &[]);
        assert!(review.spans().is_empty());
        let findings = review.decide(&[], primitives::now());
        assert_eq!(decisions(&findings), [Decision::Accept, Decision::Reject]);
        assert_eq!(findings.counts, []);
    }

    proptest! {
        /// What lies outside the spans makes no difference.
        #[test]
        fn the_spans_hold_all_that_the_verdicts_depend_on(
            placed in prop::collection::vec(0_u64..200, 1..5),
            counts in prop::collection::vec((-40_i64..80, 0_i64..3, 1_u32..3), 0..20),
        ) {
            let orders = orders(&placed);
            let (user, start) = (orders[0].user(), Timestamp::from_second(1_700_000_000).unwrap());
            let known: Vec<_> = counts
                .into_iter()
                .map(|(step, counter, count)| {
                    Entry { subject: user, bucket: bucket_at(start) + step, counter: Counter(counter), count }
                })
                .collect();
            let review = review(OF_USER, orders, &[]);
            let (first, last) = review.spans()[&user];
            let inside: Vec<_> =
                known.iter().copied().filter(|entry| (first..=last).contains(&entry.bucket)).collect();
            let other = Subject::User(UserId::new());
            let unrelated = Entry { subject: other, bucket: last, counter: Counter(1), count: 9 };
            let all: Vec<_> = known.into_iter().chain([unrelated]).collect();
            prop_assert_eq!(decisions(&review.decide(&inside, start)), decisions(&review.decide(&all, start)));
        }
    }
}
