//! Readiness: named conditions that must all hold, until a drain ends it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::{OnFailure, Tasks};

/// The conditions of readiness. Cheap to clone; clones share the state.
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
    /// Not ready until [`Self::serve`], since not all conditions may be named before.
    #[allow(clippy::new_without_default)] // one for each process, created explicitly
    pub fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(State::default())) }
    }

    /// Sets whether a condition holds.
    pub fn set(&self, condition: &'static str, holds: bool) {
        self.state.send_if_modified(|state| {
            let before = state.conditions.insert(condition, holds);
            if before != Some(holds) {
                tracing::info!(condition, holds, "readiness");
            }
            before != Some(holds)
        });
    }

    /// The process serves, and all conditions are named.
    pub fn serve(&self) {
        self.state.send_modify(|state| state.serving = true);
    }

    /// Ends readiness permanently: the process is stopping.
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

    /// Waits until readiness differs from `ready`, and returns the new value.
    pub async fn changed_from(&self, ready: bool) -> bool {
        let mut changes = self.state.subscribe();
        match changes.wait_for(|state| state.is_ready() != ready).await {
            Ok(state) => state.is_ready(),
            Err(_) => ready, // unreachable: self is the sender
        }
    }

    /// Updates a condition by running `check` every `period`, with `period` as its time-out. It does not hold before
    /// the first success.
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
                        tracing::warn!(condition, "a readiness check timed out");
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
        assert!(!readiness.is_ready(), "not ready before its conditions are named");
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
