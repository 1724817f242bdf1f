//! Whether the process can do its work: named conditions that all have to hold, and a drain that ends it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::{OnFailure, Tasks};

/// Conditions for being ready; cheap to clone, all clones are one.
#[derive(Debug, Clone)]
pub struct Readiness {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    conditions: BTreeMap<&'static str, bool>,
    serving: bool,
    draining: bool,
}

impl State {
    fn is_ready(&self) -> bool {
        self.serving && !self.draining && self.conditions.values().all(|holds| *holds)
    }
}

impl Readiness {
    /// Not ready before the process serves: until then not all conditions may have been named.
    #[allow(clippy::new_without_default)] // one for each process, made on purpose
    pub fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(State::default())) }
    }

    /// States whether a condition holds.
    pub fn set(&self, condition: &'static str, holds: bool) {
        self.state.send_if_modified(|state| {
            let before = state.conditions.insert(condition, holds);
            if before != Some(holds) {
                tracing::info!(condition, holds, "readiness");
            }
            before != Some(holds)
        });
    }

    /// The process serves, and has named its conditions.
    pub fn serve(&self) {
        self.state.send_modify(|state| state.serving = true);
    }

    /// Ends readiness for good: the process is stopping.
    pub fn drain(&self) {
        self.state.send_modify(|state| state.draining = true);
    }

    /// Whether all conditions hold.
    pub fn is_ready(&self) -> bool {
        self.state.borrow().is_ready()
    }

    /// The conditions and whether each holds, for the operator.
    pub fn conditions(&self) -> BTreeMap<&'static str, bool> {
        let state = self.state.borrow();
        let mut conditions = state.conditions.clone();
        conditions.insert("serving", state.serving && !state.draining);
        conditions
    }

    /// Waits until readiness is other than `ready`, and gives the new value.
    pub async fn changed_from(&self, ready: bool) -> bool {
        let mut changes = self.state.subscribe();
        match changes.wait_for(|state| state.is_ready() != ready).await {
            Ok(state) => state.is_ready(),
            Err(_) => ready, // the sender is self: it can't be gone
        }
    }

    /// Keeps a condition up to date by running `check` every `period`, each run bounded by `period`; it does not
    /// hold before the first success.
    pub fn watch<F, E>(
        &self,
        tasks: &Tasks,
        condition: &'static str,
        period: Duration,
        mut check: impl FnMut() -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send,
    {
        self.set(condition, false);
        let readiness = self.clone();
        let stop = tasks.stop_signal();
        let watching = async move {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                let holds = match tokio::time::timeout(period, check()).await {
                    Ok(Ok(())) => true,
                    Ok(Err(error)) => {
                        tracing::warn!(condition, %error, "a readiness check failed");
                        false
                    }
                    Err(_) => {
                        tracing::warn!(condition, "a readiness check took too long");
                        false
                    }
                };
                readiness.set(condition, holds);
            }
            Ok::<(), std::convert::Infallible>(())
        };
        tasks.spawn("readiness", OnFailure::Stop, watching);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_conditions_must_hold_and_a_drain_is_final() {
        let readiness = Readiness::new();
        assert!(!readiness.is_ready(), "it must not look ready before it has said what it needs");
        readiness.set("mongo", false);
        readiness.serve();
        readiness.set("schema", true);
        assert!(!readiness.is_ready());
        readiness.set("mongo", true);
        assert!(readiness.changed_from(false).await);
        readiness.drain();
        assert!(!readiness.changed_from(true).await);
        readiness.set("mongo", true);
        assert!(!readiness.is_ready());
    }
}
