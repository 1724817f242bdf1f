//! Runs of the reconciliation: on schedule, on demand, and of what has changed all the time. A lease lets one replica
//! do it.

use std::collections::HashMap;
use std::time::Duration;

use envelope::Error;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use messaging::Lag;
use mongo::{Cut, Db, Lease};
use primitives::EventId;
use service::{Deadline, Tasks};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::compare::{Comparison, Of};
use super::heal::heal;
use crate::GROUP;
use crate::config::ReconciliationConfig;
use crate::domain::checks::Finding;
use crate::domain::{Check, Exception, Run, RunKind, RunStatus};
use crate::grpc::Books;
use crate::store::{ExceptionKey, Runs, Seen, Statements};

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
/// By how much the ids of an order's event and of its movement, which are made for one transaction, may be apart.
const MADE_APART: Duration = Duration::from_secs(1);
/// The events of how long are compared as of one moment, and of how many a longer time is tried next.
const SHORTEST_SLICE: Duration = Duration::from_secs(5 * 60);
const LONGEST_SLICE: Duration = Duration::from_secs(6 * 60 * 60);
const FEW_EVENTS: u64 = 100_000;
/// With so many events still to be applied, the consumer is not behind but at work.
const FEW_BEHIND: u64 = 10_000;
/// How many events are looked up at once.
const MAX_LOOKED_UP: usize = 1_000;
/// How often the remedy of a difference is tried between two runs of everything.
const MAX_HEALINGS: u32 = 3;
/// The longest time of an incremental run, and how long one waits for events that were not applied. What is older is
/// for the daily run.
const MAX_SPAN: Duration = Duration::from_secs(60 * 60);

/// Compares the books.
pub(crate) struct Reconciler {
    pub(crate) db: Db,
    pub(crate) books: Books,
    pub(crate) statements: Statements,
    pub(crate) runs: Runs,
    /// How far behind this process is with applying events.
    pub(crate) lag: Lag,
    pub(crate) config: ReconciliationConfig,
}

/// What is remembered from round to round while the lease is held.
struct Progress {
    /// Up to when what has changed was compared; kept in the database too, so that whoever comes next goes on from
    /// there.
    compared_to: Option<Timestamp>,
    /// Up to when events are waited for that were not applied.
    waits_until: Option<Timestamp>,
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
        held: &mut Option<Progress>,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        if !lease.hold(deadline()).await? {
            *held = None;
            return Ok(());
        }
        if held.is_none() {
            self.end_what_was_left().await?;
            let compared_to = self.runs.compared_to(deadline()).await?;
            *held = Some(Progress { compared_to, waits_until: None, next_at: Instant::now() });
        }
        let run = match self.runs.next_requested(deadline()).await? {
            Some(requested) => Some(requested),
            None if self.daily_is_due().await? => Some(Run::new(RunKind::Daily, primitives::now())),
            None => None,
        };
        if let Some(run) = run {
            let ended = self.whole(run, lease, stop).await;
            if ended.is_err() {
                // It may not even have been written down that it failed: the next round sees to that.
                *held = None;
            }
            return ended;
        }
        // What the consumer has still to apply is not lost. Publishing it again would only add to it, and so it would
        // while the group gives this process nothing to read.
        if self.lag.events().is_none_or(|behind| behind > FEW_BEHIND) {
            return Ok(());
        }
        if let Some(progress) = held.as_mut().filter(|progress| progress.next_at <= Instant::now()) {
            progress.next_at = Instant::now() + self.config.incremental_period();
            return under(lease, stop, self.incremental(progress).boxed()).await;
        }
        Ok(())
    }

    /// Whoever held the lease before has left them; nobody goes on with them.
    async fn end_what_was_left(&self) -> Result<(), Error> {
        while let Some(run) = self.runs.unfinished(deadline()).await? {
            let failure = Some("the process that compared was stopped".to_owned());
            let failed = Run { status: RunStatus::Failed, ended_at: Some(primitives::now()), failure, ..run };
            self.runs.save(&failed, deadline()).await?;
        }
        Ok(())
    }

    /// Once a day, at or after the time that is set; again some time after a failure.
    async fn daily_is_due(&self) -> Result<bool, Error> {
        let now = primitives::now();
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
        let started = Run { status: RunStatus::Running, started_at: Some(primitives::now()), ..run };
        self.runs.save(&started, deadline()).await?;
        tracing::info!(run = %started.id, kind = started.kind.name(), "comparing all books");
        let compared = async {
            let comparisons = self.compare_all().await?;
            self.complete(started.clone(), comparisons).await
        };
        match under(lease, stop, compared.boxed()).await {
            Ok(ended) => {
                let finished_at = primitives::now().as_second();
                gauge("reconciliation_last_completed_timestamp_seconds", ended.kind, as_f64(finished_at));
                Ok(())
            }
            Err(error) => {
                let failure = Some(error.to_string());
                let failed = Run { status: RunStatus::Failed, ended_at: Some(primitives::now()), failure, ..started };
                self.runs.save(&failed, deadline()).await?;
                Err(error)
            }
        }
    }

    /// Each check has a moment of its own, and the events of each slice of time have, so that the server need not keep
    /// one for as long as all of them take.
    async fn compare_all(&self) -> Result<Vec<Comparison>, Error> {
        let everything = Of::default();
        let mut comparisons = Vec::new();
        comparisons.extend(Comparison::of_payments(&self.books, self.cut().await?, &[]).await?);
        comparisons.push(Comparison::of_movements(&self.books, self.cut().await?, &everything).await?);
        comparisons.push(Comparison::of_counters(&self.books, self.cut().await?, &[]).await?);
        comparisons.push(Comparison::of_accounts(&self.books, self.cut().await?, &[]).await?);
        comparisons.push(self.compare_events().await?);
        comparisons.push(Comparison::of_statements(&self.statements, self.cut().await?).await?);
        Ok(comparisons)
    }

    /// In slices that grow where little happened, and shrink where the server does not keep a moment for as long as one
    /// takes.
    async fn compare_events(&self) -> Result<Comparison, Error> {
        let mut cut = self.cut().await?;
        let settled = self.settled(cut);
        let mut from = settled - self.config.events_kept();
        let mut all = Comparison::new(Check::Events, cut.time());
        let mut slice = SHORTEST_SLICE;
        while from < settled {
            let to = settled.min(from + slice);
            match self.events(cut, (from, to)).await {
                Ok(compared) => {
                    let much = compared.result.compared > FEW_EVENTS;
                    slice = if much { slice / 2 } else { slice * 2 }.clamp(SHORTEST_SLICE, LONGEST_SLICE);
                    all.add(compared);
                    from = to;
                }
                Err(error) if slice > SHORTEST_SLICE => {
                    tracing::warn!(?error, ?slice, "the events of a shorter time are compared at once");
                    slice = (slice / 8).max(SHORTEST_SLICE);
                }
                Err(error) => return Err(error),
            }
            cut = self.cut().await?;
        }
        Ok(all)
    }

    /// The events of a time against what was applied. What the inbox knows is parked, or was applied after the cut:
    /// publishing it again would bring nothing.
    async fn events(&self, cut: Cut, span: (Timestamp, Timestamp)) -> Result<Comparison, Error> {
        let mut comparison = Comparison::of_events(&self.books, &self.statements, cut, span).await?;
        let lost: Vec<EventId> = comparison.findings.iter().filter_map(Finding::lost_event).collect();
        let comes_yet = !self.lag.is_reading() || self.lag.events().is_some_and(|behind| behind > FEW_BEHIND);
        for chunk in lost.chunks(MAX_LOOKED_UP) {
            let recorded = messaging::recorded(&self.db, GROUP, chunk, deadline()).await?;
            for finding in &mut comparison.findings {
                if finding.lost_event().is_some_and(|event| recorded.contains(&event)) {
                    finding.remedy = None;
                    finding.found = "parked, or applied since".to_owned();
                }
            }
        }
        for finding in comparison.findings.iter_mut().filter(|finding| finding.lost_event().is_some()) {
            finding.remedy = finding.remedy.filter(|_| !comes_yet);
        }
        Ok(comparison)
    }

    /// Compares what events since the last time were about. While events of that time have not been applied, what they
    /// were about is not known: they are published again, and the same time is compared again once they could be
    /// applied, some times at most.
    async fn incremental(&self, progress: &mut Progress) -> Result<(), Error> {
        let run = Run::new(RunKind::Incremental, primitives::now());
        let cut = self.cut().await?;
        let to = self.settled(cut);
        let earliest = to - MAX_SPAN;
        let from = progress.compared_to.map_or(earliest, |at| at.max(earliest));
        if from >= to {
            return Ok(());
        }
        let (end, touched) = self.touched(from, progress.waits_until.unwrap_or(to).max(from)).await?;
        let events = self.events(cut, (from, end)).await?;
        let waits = self.can_still_be_applied(&events).await?;
        let mut comparisons = vec![events];
        if let Some(touched) = touched.filter(|_| !waits) {
            comparisons.extend(self.compare_touched(cut, &touched, comparisons.iter().all(is_equal)).await?);
        }
        self.complete(Run { started_at: Some(run.requested_at), ..run }, comparisons).await?;
        if waits {
            progress.waits_until = Some(end);
            progress.next_at = Instant::now() + self.config.settle();
            return Ok(());
        }
        self.runs.set_compared_to(end, deadline()).await?;
        progress.compared_to = Some(end);
        progress.waits_until = None;
        if end < to {
            progress.next_at = Instant::now();
        }
        Ok(())
    }

    /// Without all events applied it is not known which orders are part of a movement; those are left to the daily run.
    async fn compare_touched(&self, cut: Cut, touched: &Of, all_applied: bool) -> Result<Vec<Comparison>, Error> {
        let Of { orders, skus, users, .. } = touched;
        let mut comparisons = Vec::new();
        // To ask about none would be to ask about all.
        if !orders.is_empty() {
            comparisons.extend(Comparison::of_payments(&self.books, cut, orders).await?);
        }
        if !orders.is_empty() && all_applied {
            comparisons.push(Comparison::of_movements(&self.books, cut, touched).await?);
        }
        if !skus.is_empty() {
            comparisons.push(Comparison::of_counters(&self.books, cut, skus).await?);
        }
        if !users.is_empty() {
            comparisons.push(Comparison::of_accounts(&self.books, cut, users).await?);
        }
        Ok(comparisons)
    }

    /// Whether there are events that were not applied, and have not been published again often enough to be given up.
    async fn can_still_be_applied(&self, events: &Comparison) -> Result<bool, Error> {
        let lost = events.findings.iter().filter(|finding| finding.lost_event().is_some());
        let healable: Vec<_> = lost.filter(|finding| finding.remedy.is_some()).cloned().collect();
        let seen = self.seen_before(&healable).await?;
        let more_than_kept = !events.is_whole();
        Ok(more_than_kept || healable.iter().any(|finding| !given_up(&seen, finding)))
    }

    /// What events of a time were about, and up to when: a shorter time when there is too much of it. `None` when there
    /// is too much even in a second; then it is left to the daily run.
    async fn touched(&self, from: Timestamp, mut to: Timestamp) -> Result<(Timestamp, Option<Of>), Error> {
        loop {
            let wider = (from - MADE_APART, to + MADE_APART);
            let touched = self.statements.touched(wider, MAX_TOUCHED, deadline()).await?;
            if touched.most() <= MAX_TOUCHED {
                let of = Of {
                    orders: touched.orders.into_iter().collect(),
                    skus: touched.skus.into_iter().collect(),
                    users: touched.users.into_iter().collect(),
                    moved: Some((from, to)),
                };
                return Ok((to, Some(of)));
            }
            let span = to.duration_since(from);
            if span <= jiff::SignedDuration::from_secs(1) {
                tracing::warn!(%from, %to, "too much has changed to be compared at once");
                return Ok((to, None));
            }
            to = from + span / 2;
        }
    }

    /// Heals what can be healed and keeps the run with what it found. Of incremental runs, only those that found
    /// something.
    async fn complete(&self, run: Run, comparisons: Vec<Comparison>) -> Result<Run, Error> {
        let checks = comparisons.iter().map(|comparison| comparison.result.clone()).collect();
        let mut findings: Vec<Finding> = comparisons.into_iter().flat_map(|one| one.findings).collect();
        let run = Run { status: RunStatus::Completed, ended_at: Some(primitives::now()), checks, ..run };
        report(&run, &findings);
        if findings.is_empty() {
            if run.kind != RunKind::Incremental {
                self.runs.save(&run, deadline()).await?;
            }
            return Ok(run);
        }
        let seen = self.seen_before(&findings).await?;
        for finding in &mut findings {
            if given_up(&seen, finding) {
                finding.remedy = None;
            }
        }
        let healings = heal(&self.books, &findings).await;
        let now = primitives::now();
        let pairs = findings.into_iter().zip(healings);
        let exceptions: Vec<_> = pairs
            .map(|(finding, healing)| {
                let first_seen_at = seen.get(&key_of(&finding)).map_or(now, |seen| seen.first_at);
                Exception { finding, first_seen_at, healing }
            })
            .collect();
        self.runs.keep(run.id, &exceptions, deadline()).await?;
        self.runs.save(&run, deadline()).await?;
        Ok(run)
    }

    /// What is known of differences since the last run of everything began, which would have found them too.
    async fn seen_before(&self, findings: &[Finding]) -> Result<HashMap<ExceptionKey, Seen>, Error> {
        let since = self.runs.last_complete(deadline()).await?.unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(self.runs.seen_before(findings, since, deadline()).await?)
    }

    async fn cut(&self) -> Result<Cut, Error> {
        Ok(self.db.cut(deadline()).await?)
    }

    /// Up to when events have had the time to be applied.
    fn settled(&self, cut: Cut) -> Timestamp {
        cut.time() - self.config.settle()
    }
}

fn is_equal(comparison: &Comparison) -> bool {
    comparison.result.differences == 0
}

/// Whether what can be done about a difference was done so often that a person has to look: an event that can never be
/// applied would otherwise become a dead letter again and again.
fn given_up(seen: &HashMap<ExceptionKey, Seen>, finding: &Finding) -> bool {
    seen.get(&key_of(finding)).is_some_and(|seen| seen.healed >= MAX_HEALINGS)
}

fn key_of(finding: &Finding) -> ExceptionKey {
    (finding.difference.name().to_owned(), finding.subject.clone())
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
        metrics::counter!("reconciliation_exceptions_total", "kind" => finding.difference.name()).increment(1);
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
