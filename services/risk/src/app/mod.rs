//! The use cases, one a file.

mod assess;
mod assessments;
mod board;
mod exchange;
mod refusals;
mod review;
mod rules;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::config::VelocityConfig;
use crate::domain::{Assessment, Counter, Rules};
use crate::store::Store;

use board::Board;
pub(crate) use refusals::Refusals;

/// The dependencies of all use cases. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    store: Store,
    board: Arc<Board>,
    /// Version 1 of the rules.
    configured_rules: Arc<Rules>,
    refusals: Refusals,
    exchange_period: Duration,
    max_told: NonZeroUsize,
}

impl App {
    pub(crate) fn new(store: Store, rules: Rules, velocity: &VelocityConfig, refusals: Refusals) -> Self {
        Self {
            store,
            board: Arc::new(Board::new(new_counter(), velocity)),
            configured_rules: Arc::new(rules),
            refusals,
            exchange_period: velocity.exchange_period(),
            max_told: velocity.max_told,
        }
    }
}

/// A random number above 0, so that no two processes whose counts are still stored have the same counter.
fn new_counter() -> Counter {
    let random = RandomState::new().build_hasher().finish() >> 1;
    Counter(i64::try_from(random).unwrap_or(i64::MAX).max(1))
}

/// Records an assessment in the metrics; `when` is `placing` or `review`.
fn observe(assessment: &Assessment, when: &'static str) {
    let decision = assessment.decision.name();
    metrics::counter!("risk_assessments_total", "decision" => decision, "when" => when).increment(1);
}
