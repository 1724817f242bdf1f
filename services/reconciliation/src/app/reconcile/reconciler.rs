//! Decides, round by round, which run is made next. A lease lets one replica do it.

use std::convert::Infallible;
use std::time::Duration;

use envelope::Error;
use futures::FutureExt as _;
use mongo::Lease;
use service::Tasks;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::dependencies::{Dependencies, deadline};
use super::full::run_full;
use super::incremental::run_incremental;
use super::lease::{new_lease, while_held};
use crate::domain::{DailySchedule, IncrementalProgress, NextAttempt, Run, RunKind};

/// The pause between two rounds.
const ROUND_PERIOD: Duration = Duration::from_millis(500);

/// Compares the books.
pub(crate) struct Reconciler {
    dependencies: Dependencies,
    schedule: DailySchedule,
}

/// What is remembered from round to round while the lease is held.
struct Incremental {
    /// Its end is in the database too, so that the next holder of the lease continues from there.
    progress: IncrementalProgress,
    next_at: Instant,
}

impl Reconciler {
    pub(crate) fn new(dependencies: Dependencies) -> Self {
        let schedule = DailySchedule::new(dependencies.config.daily_at);
        Self { dependencies, schedule }
    }

    /// Runs until the process stops.
    pub(crate) async fn run(self, tasks: Tasks) -> Result<(), Infallible> {
        let stop = tasks.stop_signal();
        let mut lease = new_lease(&self.dependencies.db);
        let mut incremental = None;
        while stop.run_until_cancelled(tokio::time::sleep(ROUND_PERIOD)).await.is_some() {
            match self.round(&mut lease, &mut incremental, &stop).await {
                Ok(()) => {}
                Err(error) => tracing::warn!(?error, "the books could not be compared"),
            }
        }
        if let Err(error) = lease.release(deadline()).await {
            tracing::warn!(?error, "the lease of the reconciliation could not be released");
        }
        Ok(())
    }

    async fn round(
        &self,
        lease: &mut Lease,
        held: &mut Option<Incremental>,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        if !lease.hold(deadline()).await? {
            *held = None;
            return Ok(());
        }
        if held.is_none() {
            self.abandon_unfinished().await?;
            let compared_to = self.dependencies.runs.compared_to(deadline()).await?;
            *held = Some(Incremental { progress: IncrementalProgress::resumed(compared_to), next_at: Instant::now() });
        }
        if let Some(run) = self.next_full_run().await? {
            let ended = run_full(&self.dependencies, run, lease, stop).await;
            if ended.is_err() {
                // Its failure may not even have been recorded; the next round does that.
                *held = None;
            }
            return ended;
        }
        if !self.dependencies.backlog().allows_incremental_run() {
            return Ok(());
        }
        if let Some(incremental) = held.as_mut().filter(|incremental| incremental.next_at <= Instant::now()) {
            incremental.next_at = Instant::now() + self.dependencies.config.incremental_period();
            let run = run_incremental(&self.dependencies, &mut incremental.progress);
            match while_held(lease, stop, run.boxed()).await? {
                NextAttempt::AfterPeriod => {}
                NextAttempt::Now => incremental.next_at = Instant::now(),
                NextAttempt::AfterSettling => {
                    incremental.next_at = Instant::now() + self.dependencies.config.settle();
                }
            }
        }
        Ok(())
    }

    /// The full run that is requested or, if there is none, the daily run that is due.
    async fn next_full_run(&self) -> Result<Option<Run>, Error> {
        if let Some(requested) = self.dependencies.runs.next_requested(deadline()).await? {
            return Ok(Some(requested));
        }
        let now = primitives::now();
        if !self.schedule.has_begun(now) {
            return Ok(None);
        }
        let last = self.dependencies.runs.last_daily(deadline()).await?;
        Ok(self.schedule.is_due(last.as_ref(), now).then(|| Run::new(RunKind::Daily, primitives::now())))
    }

    /// Ends the runs that an earlier holder of the lease has left unfinished.
    async fn abandon_unfinished(&self) -> Result<(), Error> {
        let runs = &self.dependencies.runs;
        while let Some(run) = runs.unfinished(deadline()).await? {
            runs.save(&run.abandon(primitives::now()), deadline()).await?;
        }
        Ok(())
    }
}
