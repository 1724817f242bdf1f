//! Requests in flight: concurrent requests for the same key share one call to inventory.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};

use envelope::Error;
use service::{OnFailure, Tasks};
use tokio::sync::watch;

use crate::catalogue::snapshot::Snapshot;

pub(super) type Outcome = Result<Arc<Snapshot>, Error>;
/// Shared by reference, since an error can't be cloned.
type Landing = Option<Result<Arc<Snapshot>, Arc<Error>>>;

/// The calls in flight, by key. Bounded by the bulkhead of the upstream.
#[derive(Debug)]
pub(super) struct Flights {
    in_flight: Arc<Mutex<HashMap<Arc<str>, Flight>>>,
    tasks: Tasks,
}

/// A call in flight. It continues even if all waiters are gone.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    /// The number of changes when it started.
    changes: u64,
    landing: watch::Receiver<Landing>,
}

impl Flights {
    pub(super) fn new(tasks: &Tasks) -> Self {
        Self { in_flight: Arc::default(), tasks: tasks.clone() }
    }

    /// Joins the call for this key that started after the same number of changes, or starts one.
    pub(super) fn join<F>(&self, key: Arc<str>, changes: u64, ask: impl FnOnce(Arc<str>) -> F) -> Flight
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |flight: &&Flight| flight.changes == changes && flight.is_pending();
        if let Some(flight) = in_flight.get(&key).filter(fits) {
            return flight.clone();
        }
        let (landed, landing) = watch::channel(None);
        let flight = Flight { changes, landing };
        in_flight.insert(Arc::clone(&key), flight.clone());
        drop(in_flight);
        let (in_flight, asking, stop) = (Arc::clone(&self.in_flight), ask(Arc::clone(&key)), self.tasks.stop_signal());
        self.tasks.spawn("catalogue-copy", OnFailure::Log, async move {
            let outcome = stop.run_until_cancelled(asking).await;
            let mut in_flight = in_flight.lock().unwrap_or_else(PoisonError::into_inner);
            // A newer call may have replaced it.
            if in_flight.get(&key).is_some_and(|flight| flight.changes == changes) {
                in_flight.remove(&key);
            }
            drop(in_flight);
            landed.send_replace(outcome.map(|outcome| outcome.map_err(Arc::new)));
            Ok::<(), Infallible>(())
        });
        flight
    }
}

impl Flight {
    /// False if its task has panicked, or was dropped with its thread.
    fn is_pending(&self) -> bool {
        self.landing.has_changed().is_ok()
    }

    /// Waits for the outcome.
    pub(super) async fn landed(mut self) -> Outcome {
        let landing = self.landing.wait_for(Option::is_some).await;
        match landing.as_deref() {
            Ok(Some(Ok(copy))) => Ok(Arc::clone(copy)),
            Ok(Some(Err(error))) => Err(copied(error)),
            _ => Err(Error::unavailable("the call to inventory was aborted")),
        }
    }
}

fn copied(error: &Arc<Error>) -> Error {
    let mut copy = Error::new(error.reason(), error.message().to_owned());
    copy = copy.with_details(error.details().iter().cloned());
    if let Some(after) = error.retry_after() {
        copy = copy.with_retry_after(after);
    }
    // An error without a source is a response of inventory.
    if error.source().is_some() { copy.with_source(Arc::clone(error)) } else { copy }
}

#[cfg(test)]
mod tests {
    use envelope::Reason;
    use serde_json::json;
    use service::Shell;
    use tokio::sync::oneshot;

    use super::*;

    fn a_copy() -> Arc<Snapshot> {
        Arc::new(Snapshot::digested(json!({})).unwrap())
    }

    #[tokio::test]
    async fn concurrent_requests_for_one_key_share_a_call() {
        let flights = Flights::new(&Shell::without_admin().tasks);
        let (answer, answered) = oneshot::channel();
        let first = flights.join("a".into(), 0, |_| async { answered.await.unwrap() });
        let never = |_| async { panic!("called twice") };
        let others = [(); 3].map(|()| flights.join("a".into(), 0, never));
        // Another key, and the same key after a change, are other calls.
        let (other, newer) = (a_copy(), a_copy());
        let found = flights.join("b".into(), 0, |_| async { Ok(other) }).landed().await;
        assert!(found.is_ok());
        let newest = Arc::clone(&newer);
        let found = flights.join("a".into(), 1, |_| async { Ok(newest) }).landed().await;
        assert!(Arc::ptr_eq(&found.unwrap(), &newer));
        let _ = answer.send(Err(Error::new(Reason::Unavailable, "unavailable")));
        for flight in others.into_iter().chain([first]) {
            assert_eq!(flight.landed().await.unwrap_err().message(), "unavailable");
        }
        assert!(flights.in_flight.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_aborted_call_is_made_again() {
        let flights = Flights::new(&Shell::without_admin().tasks);
        let lost = flights.join("a".into(), 0, |_| async { panic!("lost") });
        assert_eq!(lost.landed().await.unwrap_err().reason(), Reason::Unavailable);
        let copy = a_copy();
        assert!(flights.join("a".into(), 0, |_| async { Ok(copy) }).landed().await.is_ok());
    }
}
