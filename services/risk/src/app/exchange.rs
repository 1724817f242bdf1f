//! Reads the rules, and exchanges counts with the other replicas through the database.
//!
//! Calls are answered from memory and never wait for the exchange. Each replica writes its own number for each subject
//! and step of time, and reads the numbers that others have written since its last round. A count therefore lacks the
//! orders that others have counted within the last period. A replica that starts reads everything within the longest
//! window before it answers its first call.

use std::convert::Infallible;
use std::time::Duration;

use service::{Deadline, Tasks};
use tokio::time::MissedTickBehavior;

use super::App;
use crate::domain::{Progress, bucket_at};
use crate::error::RiskError;

/// The time limit of a round.
const ROUND_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum number of pages of counts that a round reads.
const MAX_PAGES: usize = 50;

impl App {
    /// Runs until the process stops, and writes the last counts then.
    pub(crate) async fn exchange(self, tasks: Tasks) -> Result<(), Infallible> {
        let stop = tasks.stop_signal();
        let mut ticks = tokio::time::interval(self.exchange_period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut progress = Progress::default();
        loop {
            let stopping = stop.run_until_cancelled(ticks.tick()).await.is_none();
            if let Err(error) = self.round(&mut progress).await {
                metrics::counter!("risk_exchange_failures_total").increment(1);
                tracing::warn!(?error, "rules or counts could not be exchanged");
            }
            if stopping {
                return Ok(());
            }
        }
    }

    async fn round(&self, progress: &mut Progress) -> Result<(), RiskError> {
        let deadline = Deadline::after(ROUND_TIMEOUT);
        let newest = self.newest_rules(deadline).await?;
        match newest.rules.longest_window() {
            Some(window) => {
                self.read(progress, window, deadline).await?;
                self.board.set_rules(newest);
                self.tell(window, deadline).await
            }
            None => {
                *progress = Progress::default();
                self.board.set_rules(newest);
                self.board.clear();
                Ok(())
            }
        }
    }

    async fn read(&self, progress: &mut Progress, window: Duration, deadline: Deadline) -> Result<(), RiskError> {
        let mut since = progress.since(window, primitives::now());
        for _ in 0..MAX_PAGES {
            let page = self.store.counts_since(since, self.board.counter(), deadline).await?;
            self.board.learn(&page.entries);
            let Some(next) = progress.advance(since, page.last, page.is_full) else { return Ok(()) };
            since = next;
        }
        Ok(())
    }

    async fn tell(&self, window: Duration, deadline: Deadline) -> Result<(), RiskError> {
        let untold = self.board.untold(window, bucket_at(primitives::now()), self.max_told.get());
        if !untold.is_empty() {
            self.store.write_counts(&untold, deadline).await?;
            self.board.told(&untold);
        }
        Ok(())
    }
}
