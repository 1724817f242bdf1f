//! Runs of the reconciliation: on schedule, on demand, and of what has changed all the time. A lease lets one replica do it.

use std::time::Duration;

use envelope::Error;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use mongo::{Cut, Db, Lease};
use service::{Deadline, Tasks};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::compare::{Comparison, Of};
use super::heal::heal;
use crate::config::ReconciliationConfig;
use crate::domain::checks::Finding;
use crate::domain::{Exception, Run, RunKind, RunStatus};
use crate::grpc::Books;
use crate::store::{Runs, Statements};

/// How long the replica that compares may be silent before another does.
const LEASE: Duration = Duration::from_secs(15);
/// How often it is looked whether there is something to do.
const LOOK: Duration = Duration::from_millis(500);
/// How long keeping a run, or what it found, may take.
const STORE_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause after a daily run that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(600);
/// The most orders, users or SKUs of an incremental run; of more, a shorter time is compared.
const MAX_TOUCHED: usize = 50_000;
/// How long before its movements an order may have been placed: its time to be committed.
const PLACED_BEFORE: Duration = Duration::from_secs(120);
/// By how much later than its movement an order may have ended: times of an order's changes strictly increase.
const ENDED_AFTER: Duration = Duration::from_secs(1);
/// The longest time of an incremental run, and how long one waits for events that were not applied. What is older is for
/// the daily run.
const MAX_SPAN: Duration = Duration::from_secs(60 * 60);

/// Compares the books.
pub(crate) struct Reconciler {
    pub(crate) db: Db,
    pub(crate) books: Books,
    pub(crate) statements: Statements,
    pub(crate) runs: Runs,
    pub(crate) config: ReconciliationConfig,
}

/// What is remembered from round to round while the lease is held.
struct Progress {
    /// Up to when what has changed was compared; kept in the database too, so that whoever comes next goes on from there.
    compared_to: Option<Timestamp>,
    /// When the next incremental run is due.
    next_at: Instant,
}

impl Reconciler {
    /// Runs until the process stops.
    pub(crate) async fn run(self, tasks: Tasks) -> Result<(), std::convert::Infallible> {
        let stop = tasks.stop_signal();
        let mut lease = Lease::new(&self.db, "reconciliation", LEASE);
        let mut progress = None;
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            match self.round(&mut lease, &mut progress, &stop).await {
                Ok(()) => {}
                Err(error) => tracing::warn!(?error, "the books could not be compared"),
            }
        }
        if let Err(error) = lease.release(Deadline::after(STORE_TIMEOUT)).await {
            tracing::warn!(?error, "the lease of the reconciliation could not be given up");
        }
        Ok(())
    }

    async fn round(
        &self,
        lease: &mut Lease,
        progress: &mut Option<Progress>,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        if !lease.hold(deadline()).await? {
            *progress = None;
            return Ok(());
        }
        let progress = match progress {
            Some(progress) => progress,
            None => {
                self.end_what_was_left().await?;
                let compared_to = self.runs.compared_to(deadline()).await?;
                progress.insert(Progress { compared_to, next_at: Instant::now() })
            }
        };
        let run = match self.runs.next_requested(deadline()).await? {
            Some(requested) => Some(requested),
            None if self.daily_is_due().await? => Some(Run::new(RunKind::Daily, ids::now())),
            None => None,
        };
        if let Some(run) = run {
            return self.whole(run, lease, stop).await;
        }
        if progress.next_at <= Instant::now() {
            progress.next_at = Instant::now() + self.config.incremental_period();
            return under(lease, stop, self.incremental(progress).boxed()).await;
        }
        Ok(())
    }

    /// Whoever held the lease before has left them; nobody goes on with them.
    async fn end_what_was_left(&self) -> Result<(), Error> {
        while let Some(run) = self.runs.unfinished(deadline()).await? {
            let failure = Some("the process that compared was stopped".to_owned());
            let failed = Run { status: RunStatus::Failed, ended_at: Some(ids::now()), failure, ..run };
            self.runs.save(&failed, deadline()).await?;
        }
        Ok(())
    }

    /// Once a day, at or after the time that is set; again some time after a failure.
    async fn daily_is_due(&self) -> Result<bool, Error> {
        let now = ids::now();
        let zoned = now.to_zoned(TimeZone::UTC);
        if zoned.time() < self.config.daily_at {
            return Ok(false);
        }
        let day = |at: Timestamp| -> Date { at.to_zoned(TimeZone::UTC).date() };
        Ok(match self.runs.last_daily(deadline()).await? {
            Some(last) if day(last.requested_at) == zoned.date() => {
                let ended = last.ended_at.unwrap_or(now);
                last.status == RunStatus::Failed && ended + AFTER_FAILURE <= now
            }
            _ => true,
        })
    }

    /// Compares everything, and keeps what came of it.
    async fn whole(&self, run: Run, lease: &mut Lease, stop: &CancellationToken) -> Result<(), Error> {
        let started = Run { status: RunStatus::Running, started_at: Some(ids::now()), ..run };
        self.runs.save(&started, deadline()).await?;
        tracing::info!(run = %started.id, kind = started.kind.name(), "comparing all books");
        match under(lease, stop, self.compare_all().boxed()).await {
            Ok(comparisons) => {
                let ended = self.complete(started, comparisons).await?;
                let finished_at = ids::now().as_second();
                gauge("reconciliation_last_completed_timestamp_seconds", ended.kind, as_f64(finished_at));
                Ok(())
            }
            Err(error) => {
                let failure = Some(error.to_string());
                let failed =
                    Run { status: RunStatus::Failed, ended_at: Some(ids::now()), failure, ..started };
                self.runs.save(&failed, deadline()).await?;
                Err(error)
            }
        }
    }

    async fn compare_all(&self) -> Result<Vec<Comparison>, Error> {
        let everything = Of::default();
        let cut = self.cut().await?;
        let settled = self.settled(cut);
        let span = (settled - self.config.events_kept(), settled);
        let mut comparisons = vec![Comparison::of_events(&self.books, &self.statements, cut, span).await?];
        // Each has a moment of its own, so that none has to be kept by the server for as long as all of them take.
        comparisons.extend(Comparison::of_payments(&self.books, self.cut().await?, &[]).await?);
        comparisons.push(Comparison::of_movements(&self.books, self.cut().await?, &everything).await?);
        comparisons.push(Comparison::of_counters(&self.books, self.cut().await?, &[]).await?);
        comparisons.push(Comparison::of_accounts(&self.books, self.cut().await?, &[]).await?);
        comparisons.push(Comparison::of_statements(&self.statements, self.cut().await?).await?);
        Ok(comparisons)
    }

    /// Compares what events since the last time were about. While events of that time have not been applied, what they were
    /// about is not known: they are published again, and the same time is compared again once they could be applied.
    async fn incremental(&self, progress: &mut Progress) -> Result<(), Error> {
        let run = Run::new(RunKind::Incremental, ids::now());
        let cut = self.cut().await?;
        let to = self.settled(cut);
        let earliest = to - MAX_SPAN;
        let from = progress.compared_to.map_or(earliest, |at| at.max(earliest));
        let (to, touched) = self.touched(from, to).await?;
        if from >= to {
            return Ok(());
        }
        let mut comparisons =
            vec![Comparison::of_events(&self.books, &self.statements, cut, (from, to)).await?];
        let all_applied = comparisons.iter().all(|comparison| comparison.findings.is_empty());
        if all_applied {
            let Of { orders, skus, users, .. } = &touched;
            if !orders.is_empty() {
                comparisons.extend(Comparison::of_payments(&self.books, cut, orders).await?);
                comparisons.push(Comparison::of_movements(&self.books, cut, &touched).await?);
            }
            if !skus.is_empty() {
                comparisons.push(Comparison::of_counters(&self.books, cut, skus).await?);
            }
            if !users.is_empty() {
                comparisons.push(Comparison::of_accounts(&self.books, cut, users).await?);
            }
            self.runs.set_compared_to(to, deadline()).await?;
            progress.compared_to = Some(to);
        } else {
            progress.next_at = Instant::now() + self.config.settle();
        }
        self.complete(Run { started_at: Some(run.requested_at), ..run }, comparisons).await?;
        Ok(())
    }

    /// What events of a time were about, and up to when: a shorter time when there is too much of it.
    async fn touched(&self, from: Timestamp, mut to: Timestamp) -> Result<(Timestamp, Of), Error> {
        loop {
            let wider = (from - PLACED_BEFORE, to + ENDED_AFTER);
            let touched = self.statements.touched(wider, MAX_TOUCHED, deadline()).await?;
            let span = to.duration_since(from);
            if touched.most() <= MAX_TOUCHED || span <= jiff::SignedDuration::from_secs(1) {
                let of = Of {
                    orders: touched.orders.into_iter().take(MAX_TOUCHED).collect(),
                    skus: touched.skus.into_iter().take(MAX_TOUCHED).collect(),
                    users: touched.users.into_iter().take(MAX_TOUCHED).collect(),
                    moved: Some((from, to)),
                };
                return Ok((to, of));
            }
            to = from + span / 2;
        }
    }

    /// Heals what can be healed and keeps the run with what it found. Of incremental runs, only those that found something.
    async fn complete(&self, run: Run, comparisons: Vec<Comparison>) -> Result<Run, Error> {
        let checks = comparisons.iter().map(|comparison| comparison.result.clone()).collect();
        let findings: Vec<Finding> = comparisons.into_iter().flat_map(|one| one.findings).collect();
        let run = Run { status: RunStatus::Completed, ended_at: Some(ids::now()), checks, ..run };
        report(&run, &findings);
        if findings.is_empty() {
            if run.kind != RunKind::Incremental {
                self.runs.save(&run, deadline()).await?;
            }
            return Ok(run);
        }
        let since = self.runs.last_complete(deadline()).await?.unwrap_or(Timestamp::UNIX_EPOCH);
        let seen = self.runs.first_seen(&findings, since, deadline()).await?;
        let healings = heal(&self.books, &findings).await;
        let now = ids::now();
        let pairs = findings.into_iter().zip(healings);
        let exceptions: Vec<_> = pairs
            .map(|(finding, healing)| {
                let key = (finding.difference.name().to_owned(), finding.subject.clone());
                Exception { first_seen_at: seen.get(&key).copied().unwrap_or(now), finding, healing }
            })
            .collect();
        self.runs.keep(run.id, &exceptions, deadline()).await?;
        self.runs.save(&run, deadline()).await?;
        Ok(run)
    }

    async fn cut(&self) -> Result<Cut, Error> {
        Ok(self.db.cut(deadline()).await?)
    }

    /// Up to when events have had the time to be applied.
    fn settled(&self, cut: Cut) -> Timestamp {
        cut.time() - self.config.settle()
    }
}

/// Does something while the lease is held and the process goes on.
async fn under<T>(
    lease: &mut Lease,
    stop: &CancellationToken,
    mut work: BoxFuture<'_, Result<T, Error>>,
) -> Result<T, Error> {
    let mut renewals = tokio::time::interval(LEASE / 5);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = stop.cancelled() => return Err(Error::unavailable("the process stops")),
            _ = renewals.tick() => {
                if !lease.hold(deadline()).await? {
                    return Err(Error::unavailable("another replica has taken over"));
                }
            }
        }
    }
}

/// For whoever watches.
fn report(run: &Run, findings: &[Finding]) {
    let differences = run.differences();
    if let Some(ratio) = run.consistency_ratio() {
        gauge("reconciliation_consistency_ratio", run.kind, ratio);
    }
    for check in &run.checks {
        let labels = [("check", check.check.name()), ("kind", run.kind.name())];
        metrics::counter!("reconciliation_compared_total", &labels).increment(check.compared);
    }
    for finding in findings {
        metrics::counter!("reconciliation_exceptions_total", "kind" => finding.difference.name())
            .increment(1);
    }
    let compared = run.compared();
    let kind = run.kind.name();
    match findings.first() {
        Some(first) => {
            tracing::error!(run = %run.id, kind, compared, differences, ?first, "the books differ");
        }
        None if run.kind == RunKind::Incremental => tracing::debug!(compared, "what has changed is equal"),
        None => tracing::info!(run = %run.id, kind, compared, "all books are equal"),
    }
}

fn gauge(name: &'static str, kind: RunKind, value: f64) {
    metrics::gauge!(name, "kind" => kind.name()).set(value);
}

#[allow(clippy::cast_precision_loss)] // seconds since 1970 are far below 2^53
fn as_f64(seconds: i64) -> f64 {
    seconds as f64
}

fn deadline() -> Deadline {
    Deadline::after(STORE_TIMEOUT)
}
