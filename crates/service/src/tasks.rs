//! Background tasks: each has a name and a failure policy, and the process waits for all of them before it exits.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// What happens when a task fails or panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The failure is logged, and the process continues. For work whose loss is noticed elsewhere.
    Log,
    /// The process shuts down gracefully and exits with an error. For tasks without which it can't do its work.
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

/// The number of running tasks by name.
#[derive(Debug, Clone, Default)]
struct Running(Arc<Mutex<BTreeMap<&'static str, usize>>>);

/// Counts one task as running until it is dropped.
struct RunningTask(&'static str, Running);

impl Running {
    fn begin(&self, name: &'static str) -> RunningTask {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
        RunningTask(name, self.clone())
    }
}

impl Drop for RunningTask {
    fn drop(&mut self) {
        let Self(name, running) = self;
        if let Some(count) = running.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(name) {
            *count -= 1;
        }
    }
}

impl Tasks {
    /// No tasks yet. `stop` signals all of them to end.
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

    /// The number of running tasks by name.
    pub fn running(&self) -> BTreeMap<&'static str, usize> {
        let mut running = self.running.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        running.retain(|_, count| *count > 0);
        running
    }

    /// Spawns `work` in the current span. It must end by itself soon after the stop signal.
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

    /// Runs `work` to its end, even if the caller is dropped, and returns its result; `None` if it panicked. The
    /// process waits for it before it exits.
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
    async fn only_the_failure_of_a_vital_task_stops_the_process() {
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
    async fn work_continues_after_its_caller_is_dropped() {
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
