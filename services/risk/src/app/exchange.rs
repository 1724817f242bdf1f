//! Reads the rules, and exchanges counts with the other replicas through the database.
//!
//! Calls are answered from memory and never wait for this. Each replica writes what it has counted of a subject in a
//! step of time, and reads what others have written since its last look. So a count lacks what others have counted
//! within the last period; a replica that starts reads all that a window reaches before its first call.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use service::{Deadline, Tasks};
use tokio::time::MissedTickBehavior;

use super::App;
use crate::domain::bucket_at;
use crate::error::RiskError;

/// How long a round may take.
const ROUND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a count that was written may stay unseen: until a transaction that wrote it commits.
const LATE: Duration = Duration::from_secs(2);
/// How far the clocks of the database and ours may be apart at the first look.
const SKEW: Duration = Duration::from_secs(60);
/// The most pages of counts that are read in a round.
const MAX_PAGES: usize = 50;

impl App {
    /// Runs until the process stops, and tells the last counts then.
    pub(crate) async fn exchange(self, tasks: Tasks) -> Result<(), Infallible> {
        let stop = tasks.stop_signal();
        let mut ticks = tokio::time::interval(self.exchange_period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = None;
        loop {
            let stopping = stop.run_until_cancelled(ticks.tick()).await.is_none();
            if let Err(error) = self.round(&mut seen).await {
                metrics::counter!("risk_exchange_failures_total").increment(1);
                tracing::warn!(?error, "rules or counts could not be exchanged");
            }
            if stopping {
                return Ok(());
            }
        }
    }

    /// `seen` is the database's time of the last count that was read.
    async fn round(&self, seen: &mut Option<Timestamp>) -> Result<(), RiskError> {
        let deadline = Deadline::after(ROUND_TIMEOUT);
        let newest = self.newest_rules(deadline).await?;
        match newest.rules.longest_window() {
            Some(window) => {
                self.read(seen, window, deadline).await?;
                self.board.set_rules(newest);
                self.tell(window, deadline).await
            }
            None => {
                *seen = None;
                self.board.set_rules(newest);
                self.board.clear();
                Ok(())
            }
        }
    }

    async fn read(&self, seen: &mut Option<Timestamp>, window: Duration, deadline: Deadline) -> Result<(), RiskError> {
        let mut since = match *seen {
            Some(seen) => seen - LATE,
            None => primitives::now() - window - SKEW,
        };
        for _ in 0..MAX_PAGES {
            let page = self.store.counts_since(since, self.board.counter(), deadline).await?;
            self.board.learn(&page.entries);
            let Some(last) = page.last else { return Ok(()) };
            *seen = Some(last.max(seen.unwrap_or(last)));
            // A page of one time and more would be read for ever.
            if !page.is_full || last <= since {
                return Ok(());
            }
            since = last;
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
