//! Questions that are under way: whoever wants to know the same joins in.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};

use envelope::Error;
use service::{OnFailure, Tasks};
use tokio::sync::watch;

use crate::catalogue::Snapshot;

pub(super) type Outcome = Result<Arc<Snapshot>, Error>;
/// An error can't be cloned; all but the first to tell it tell a copy.
type Landing = Option<Result<Arc<Snapshot>, Arc<Error>>>;

/// The questions under way, by key. There are no more than the bulkhead of the upstream lets through.
#[derive(Debug)]
pub(super) struct Flights {
    under_way: Arc<Mutex<HashMap<Arc<str>, Flight>>>,
    tasks: Tasks,
}

/// A question under way, which goes on when those who wait for it are gone.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    /// How many changes had been made when it began.
    changes: u64,
    landing: watch::Receiver<Landing>,
}

impl Flights {
    pub(super) fn new(tasks: &Tasks) -> Self {
        Self { under_way: Arc::default(), tasks: tasks.clone() }
    }

    /// The question of this key that began after so many changes, or else a new one.
    pub(super) fn join<F>(&self, key: Arc<str>, changes: u64, ask: impl FnOnce(Arc<str>) -> F) -> Flight
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |flight: &&Flight| flight.changes == changes && flight.is_in_air();
        if let Some(flight) = under_way.get(&key).filter(fits) {
            return flight.clone();
        }
        let (landed, landing) = watch::channel(None);
        let flight = Flight { changes, landing };
        under_way.insert(Arc::clone(&key), flight.clone());
        drop(under_way);
        let (under_way, asking, stop) = (Arc::clone(&self.under_way), ask(Arc::clone(&key)), self.tasks.stop_signal());
        self.tasks.spawn("catalogue-copy", OnFailure::Log, async move {
            let outcome = stop.run_until_cancelled(asking).await;
            let mut under_way = under_way.lock().unwrap_or_else(PoisonError::into_inner);
            // Another may have taken its place since.
            if under_way.get(&key).is_some_and(|flight| flight.changes == changes) {
                under_way.remove(&key);
            }
            drop(under_way);
            landed.send_replace(outcome.map(|outcome| outcome.map_err(Arc::new)));
            Ok::<(), Infallible>(())
        });
        flight
    }
}

impl Flight {
    /// Not when its task has panicked, or was dropped together with its thread.
    fn is_in_air(&self) -> bool {
        self.landing.has_changed().is_ok()
    }

    /// What came of it.
    pub(super) async fn landed(mut self) -> Outcome {
        let landing = self.landing.wait_for(Option::is_some).await;
        match landing.as_deref() {
            Ok(Some(Ok(copy))) => Ok(Arc::clone(copy)),
            Ok(Some(Err(error))) => Err(told_again(error)),
            _ => Err(Error::unavailable("the task that asked is gone")),
        }
    }
}

fn told_again(error: &Arc<Error>) -> Error {
    let mut again = Error::new(error.reason(), error.message().to_owned());
    again = again.with_details(error.details().iter().cloned());
    if let Some(after) = error.retry_after() {
        again = again.with_retry_after(after);
    }
    // Without a cause it is what inventory says.
    if error.source().is_some() { again.with_source(Arc::clone(error)) } else { again }
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
    async fn those_who_ask_the_same_at_once_get_one_answer() {
        let flights = Flights::new(&Shell::without_admin().tasks);
        let (answer, answered) = oneshot::channel();
        let first = flights.join("a".into(), 0, |_| async { answered.await.unwrap() });
        let never = |_| async { panic!("asked twice") };
        let others = [(); 3].map(|()| flights.join("a".into(), 0, never));
        // Another key, and the same after a change, are other questions.
        let (other, newer) = (a_copy(), a_copy());
        let found = flights.join("b".into(), 0, |_| async { Ok(other) }).landed().await;
        assert!(found.is_ok());
        let newest = Arc::clone(&newer);
        let found = flights.join("a".into(), 1, |_| async { Ok(newest) }).landed().await;
        assert!(Arc::ptr_eq(&found.unwrap(), &newer));
        let _ = answer.send(Err(Error::new(Reason::Unavailable, "said so")));
        for flight in others.into_iter().chain([first]) {
            assert_eq!(flight.landed().await.unwrap_err().message(), "said so");
        }
        assert!(flights.under_way.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_question_that_is_lost_is_asked_again() {
        let flights = Flights::new(&Shell::without_admin().tasks);
        let lost = flights.join("a".into(), 0, |_| async { panic!("lost") });
        assert_eq!(lost.landed().await.unwrap_err().reason(), Reason::Unavailable);
        let copy = a_copy();
        assert!(flights.join("a".into(), 0, |_| async { Ok(copy) }).landed().await.is_ok());
    }
}
