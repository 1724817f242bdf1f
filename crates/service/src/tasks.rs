//! Background tasks: each has a name and a stated policy for its failure, and the process waits for them at its end.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// What becomes of the process when a task fails or panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The failure is logged; the process goes on. For work whose loss somebody else notices.
    Log,
    /// The process stops in good order and exits with an error. For tasks without which it would only look alive.
    Stop,
}

/// The tasks of a process.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    failed: Arc<AtomicBool>,
    running: Running,
}

/// How many tasks of each name are running.
#[derive(Debug, Clone, Default)]
struct Running(Arc<Mutex<BTreeMap<&'static str, usize>>>);

/// One of them, while this lives.
struct Run(&'static str, Running);

impl Running {
    fn begin(&self, name: &'static str) -> Run {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
        Run(name, self.clone())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let Self(name, running) = self;
        if let Some(count) = running.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(name) {
            *count -= 1;
        }
    }
}

impl Tasks {
    /// No tasks yet; `stop` is the signal for all of them to end.
    pub fn new(stop: CancellationToken) -> Self {
        Self { tracker: TaskTracker::new(), stop, failed: Arc::default(), running: Running::default() }
    }

    /// The signal for tasks to end.
    pub fn stop_signal(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Whether a task with [`OnFailure::Stop`] has failed.
    pub fn have_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// The names of the tasks that have not ended, with how many there are of each.
    pub fn running(&self) -> BTreeMap<&'static str, usize> {
        let mut running = self.running.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        running.retain(|_, count| *count > 0);
        running
    }

    /// Runs `work` beside everything else, in the current span. It must end by itself soon after the stop signal.
    pub fn spawn<E: std::fmt::Debug>(
        &self,
        name: &'static str,
        on_failure: OnFailure,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let (tasks, run) = (self.clone(), self.running.begin(name));
        let supervised = async move {
            let _run = run;
            let failure = match AssertUnwindSafe(work).catch_unwind().await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => format!("{error:?}"),
                Err(_) => "panicked".to_owned(),
            };
            tracing::error!(task = name, failure, "a task failed");
            if on_failure == OnFailure::Stop {
                tasks.failed.store(true, Ordering::Relaxed);
                tasks.stop.cancel();
            }
        };
        self.tracker.spawn(supervised.in_current_span());
    }

    /// Runs `work` to its end even when the caller no longer waits for it, and gives its result to the caller who
    /// does. The process waits for it before it exits. `None` when it panicked.
    pub async fn run_to_end<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let run = self.running.begin(name);
        let counted = async move {
            let _run = run;
            work.await
        };
        self.tracker.spawn(counted.in_current_span()).await.ok()
    }

    /// Waits until every task has ended.
    pub async fn finished(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_failure_of_a_vital_task_stops_the_process_and_of_another_does_not() {
        let tasks = Tasks::new(CancellationToken::new());
        tasks.spawn("other", OnFailure::Log, async { Err::<(), _>("lost") });
        tasks.spawn("other", OnFailure::Log, async { panic!("lost") as Result<(), ()> });
        tasks.finished().await;
        assert!(!tasks.have_failed() && !tasks.stop_signal().is_cancelled());
        tasks.spawn("vital", OnFailure::Stop, async { Err::<(), _>("lost") });
        tasks.finished().await;
        assert!(tasks.have_failed() && tasks.stop_signal().is_cancelled());
    }

    #[tokio::test]
    async fn work_goes_on_after_its_caller_is_gone() {
        let tasks = Tasks::new(CancellationToken::new());
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let mut caller = Box::pin(tasks.run_to_end("work", async move {
            tokio::task::yield_now().await;
            sender.send(()).await
        }));
        assert!(futures::poll!(&mut caller).is_pending());
        drop(caller);
        assert_eq!(tasks.running(), BTreeMap::from([("work", 1)]));
        assert_eq!(receiver.recv().await, Some(()));
        tasks.finished().await;
        assert!(tasks.running().is_empty());
    }
}
