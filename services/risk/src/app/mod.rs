//! The use cases, one a file.

mod assess;
mod board;
mod exchange;
mod refusals;
mod rules;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use primitives::OrderId;
use service::Deadline;

use crate::config::VelocityConfig;
use crate::domain::{Assessment, Counter, Rules};
use crate::error::RiskError;
use crate::store::Store;

pub(crate) use assess::counted;
use board::Board;
pub(crate) use refusals::Refusals;

/// What every use case works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    store: Store,
    board: Arc<Board>,
    /// Version 1.
    first_rules: Arc<Rules>,
    refusals: Refusals,
    exchange_period: Duration,
    max_told: NonZeroUsize,
}

impl App {
    pub(crate) fn new(store: Store, rules: Rules, velocity: &VelocityConfig, refusals: Refusals) -> Self {
        Self {
            store,
            board: Arc::new(Board::new(new_counter(), velocity)),
            first_rules: Arc::new(rules),
            refusals,
            exchange_period: velocity.exchange_period(),
            max_told: velocity.max_told,
        }
    }

    /// What was found about these orders; those of which nothing is known yet are left out.
    pub(crate) async fn assessments(
        &self,
        orders: &[OrderId],
        deadline: Deadline,
    ) -> Result<Vec<Assessment>, RiskError> {
        Ok(self.store.assessments(orders, deadline).await?)
    }
}

/// A random number above 0, which is for reviews: two processes of the last hours never have the same.
fn new_counter() -> Counter {
    let random = RandomState::new().build_hasher().finish() >> 1;
    Counter(i64::try_from(random).unwrap_or(i64::MAX).max(1))
}
