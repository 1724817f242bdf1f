//! The retry budget, which keeps retries and hedges from multiplying the load on a failing peer.

use std::sync::Mutex;
use std::time::Duration;

use crate::lock::locked;
use crate::retry::RetryConfig;
use crate::window::SlidingWindow;

/// The window over which calls and retries count.
const SPAN: Duration = Duration::from_secs(10);

/// Each call deposits a fraction of an attempt, each retry and each hedge withdraws one, and a few per second are free.
/// Deposits and withdrawals expire after 10 s.
///
/// Bound: over 10 s, at most `budget_floor_per_second` times 10 plus `budget_percent` of the calls. Source:
/// `RetryBudget` of Twitter's Finagle. gRPC's retry throttling (proposal A6) has the same aim, but does not expire.
#[derive(Debug)]
pub(crate) struct Budget {
    percent: u64,
    free: u64,
    /// Deposits (calls) and withdrawals.
    window: Mutex<SlidingWindow<2>>,
}

impl Budget {
    pub(crate) fn new(config: &RetryConfig) -> Self {
        Self {
            percent: config.budget_percent.into(),
            free: u64::from(config.budget_floor_per_second) * SPAN.as_secs(),
            window: Mutex::new(SlidingWindow::new(SPAN)),
        }
    }

    /// Deposits for a call.
    pub(crate) fn deposit(&self) {
        locked(&self.window).add([1, 0]);
    }

    /// Withdraws a retry; false if the budget is exhausted.
    pub(crate) fn pay_for_retry(&self) -> bool {
        self.pay(1)
    }

    /// Withdraws a hedge; false if less than half of the budget is left. A hedge makes a call faster, a retry saves it.
    pub(crate) fn pay_for_hedge(&self) -> bool {
        self.pay(2)
    }

    /// Withdraws an attempt if that leaves spending at most one `share`-th of the budget.
    fn pay(&self, share: u64) -> bool {
        let mut window = locked(&self.window);
        let [calls, spent] = window.total();
        let is_paid = (spent + 1) * share <= self.free + calls * self.percent / 100;
        if is_paid {
            window.add([0, 1]);
        }
        is_paid
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Calls(u64),
        Retries(u64),
        Hedges(u64),
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (1_u64..200).prop_map(Step::Calls),
            (1_u64..60).prop_map(Step::Retries),
            (1_u64..60).prop_map(Step::Hedges),
            (1_u64..12_000).prop_map(Step::Wait),
        ];
        prop::collection::vec(step, 1..120)
    }

    proptest! {
        /// In any sequence: at each moment, and in total.
        #[test]
        fn retries_and_hedges_stay_below_the_floor_and_a_fifth_of_the_calls(steps in steps()) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let budget = Budget::new(&RetryConfig::default());
                let (mut now, mut calls, mut paid) = (0, Vec::new(), Vec::new());
                for step in steps {
                    match step {
                        Step::Wait(ms) => {
                            tokio::time::advance(Duration::from_millis(ms)).await;
                            now += ms;
                        }
                        Step::Calls(count) => (0..count).for_each(|_| {
                            budget.deposit();
                            calls.push(now);
                        }),
                        Step::Retries(count) => {
                            paid.extend((0..count).filter(|_| budget.pay_for_retry()).map(|_| now));
                        }
                        Step::Hedges(count) => {
                            let got = (0..count).filter(|_| budget.pay_for_hedge()).count();
                            // Hedges alone leave half of it to retries.
                            let left = budget.window.lock().unwrap().total();
                            prop_assert!(got == 0 || 2 * left[1] <= 30 + left[0] / 5);
                            paid.extend(std::iter::repeat_n(now, got));
                        }
                    }
                    let of_last = |times: &[u64], span| times.iter().filter(|at| **at + span > now).count();
                    if paid.last() == Some(&now) {
                        prop_assert!(of_last(&paid, 9_000) <= 30 + of_last(&calls, 10_000) / 5);
                    }
                    let spans = usize::try_from(now / 9_000).unwrap() + 1;
                    prop_assert!(paid.len() <= 30 * spans + calls.len() / 5);
                }
                Ok(())
            })?;
        }
    }
}
