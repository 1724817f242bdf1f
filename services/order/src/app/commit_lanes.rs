//! The commit lanes: work that changes the stock is lined up here, committed in batches, and answered when its batch
//! is.
//!
//! Batching is for speed alone. What keeps stock from being sold twice and a key from placing two orders is in the
//! transaction, with any number of replicas.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use envelope::{Error, Reason};
use idempotency::{Answer, Conflict, Fingerprint};
use primitives::{IdempotencyKey, OrderId, Sku, UserId};
use service::{Deadline, OnFailure, Tasks, telemetry};
use stock::{Shortage, StockRefusal};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use crate::domain::{BatchId, Demand, LaneLimits, Lines, Order, Refused, Scheduler, Shortages, Step};
use crate::error::OrderError;
use crate::store::{Cause, Committed, PlacedBy, Placement, Store, Work};

/// How often counters that are known to be short are looked at again.
const LOOK_PERIOD: Duration = Duration::from_millis(250);
/// How long one look may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);
/// What a client is told to wait when the lanes are full.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// About what an order and a line of it take in memory and in the database.
const ORDER_BYTES: usize = 1_024;
const LINE_BYTES: usize = 256;

/// The lanes of this process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct CommitLanes {
    store: Store,
    tasks: Tasks,
    state: Arc<Mutex<State>>,
}

struct State {
    scheduler: Scheduler<Entry>,
    /// What is lined up or being committed; a twin of it does not get in.
    under_way: HashMap<Claim, UnderWay>,
    shortages: Shortages,
}

struct Entry {
    work: Arc<Work>,
    deadline: Deadline,
    since: Instant,
    span: Span,
    reply: oneshot::Sender<Result<Answer<Order>, OrderError>>,
}

/// What only one piece of work at a time may be about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Claim {
    Placement(UserId, IdempotencyKey),
    /// The id of the key.
    Cancellation(String),
    Ending(OrderId),
}

/// What holds a claim.
#[derive(Debug, Clone)]
struct UnderWay {
    /// Of its idempotency key, if it came with one.
    keyed: Option<Keyed>,
    /// Cancelled when it holds the claim no more.
    ended: CancellationToken,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Keyed {
    fingerprint: Fingerprint,
    request_id: String,
}

/// Why work does not get in.
enum NotAdmitted {
    Refused(OrderError),
    /// An earlier attempt of the same request is under way, until this is cancelled.
    Overtaking(CancellationToken, Entry),
}

impl CommitLanes {
    pub(crate) fn new(store: Store, tasks: Tasks, limits: LaneLimits) -> Self {
        let state =
            State { scheduler: Scheduler::new(limits), under_way: HashMap::new(), shortages: Shortages::default() };
        Self { store, tasks, state: Arc::new(Mutex::new(state)) }
    }

    /// Turns an order away before anything is done for it, when it would be refused anyway.
    ///
    /// # Errors
    /// `INSUFFICIENT_STOCK` when its lines are known to be sold out or to have too little left; `OVERLOADED` when as
    /// many orders wait as may wait, or its turn would come too late.
    pub(crate) fn turn_away(&self, lines: &Lines, deadline: Deadline) -> Result<(), OrderError> {
        let (mut state, now) = (self.state(), Instant::now());
        let shortages = state.shortages.of(lines, now);
        if !shortages.is_empty() {
            metrics::counter!("orders_refused_from_memory_total").increment(1);
            return Err(StockRefusal::Insufficient(shortages).into());
        }
        state.scheduler.refusal(lines.keys(), deadline.instant(), now).map_or(Ok(()), |why| Err(overloaded(why)))
    }

    /// Lines work up, and waits until it is committed or refused. Work that has started is brought to its end when its
    /// request is dropped; work that has not is left out. A request that is sent once more, because the way to its
    /// first attempt was lost, waits for that one and is given its answer.
    ///
    /// # Errors
    /// `OVERLOADED` at once when too much is waiting or its turn would come too late; `IDEMPOTENCY_IN_FLIGHT` while
    /// a twin is under way; `DEADLINE_EXCEEDED`; and what the rules say.
    pub(crate) async fn commit(&self, work: Work, deadline: Deadline) -> Result<Answer<Order>, OrderError> {
        let (reply, outcome) = oneshot::channel();
        let mut entry = Entry { work: Arc::new(work), deadline, since: Instant::now(), span: Span::current(), reply };
        loop {
            entry = match self.admit(entry) {
                Ok(()) => break,
                Err(NotAdmitted::Refused(error)) => return Err(error),
                Err(NotAdmitted::Overtaking(ended, entry)) => {
                    deadline.bound(ended.cancelled()).await.map_err(mongo::Error::from)?;
                    entry
                }
            };
        }
        self.start_batches();
        outcome.await.unwrap_or_else(|_dropped| Err(Error::internal("a batch panicked").into()))
    }

    /// Looks again at the counters that are known to be short, until the process stops.
    pub(crate) async fn watch_shortages(self) -> Result<(), OrderError> {
        let stop = self.tasks.stop_signal();
        let mut ticks = tokio::time::interval(LOOK_PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let now = Instant::now();
            let skus = self.state().shortages.watched(now);
            if skus.is_empty() {
                continue;
            }
            match self.store.levels(&skus, Deadline::after(LOOK_TIMEOUT)).await {
                Ok(levels) => self.state().shortages.look(&levels, now),
                // What was known grows stale, and orders are decided by transactions again.
                Err(error) => tracing::warn!(?error, "counters that are short can't be looked at"),
            }
        }
        Ok(())
    }

    fn admit(&self, entry: Entry) -> Result<(), NotAdmitted> {
        let claims = claims(&entry.work);
        let skus: Vec<_> = entry.work.skus().cloned().collect();
        let bytes = ORDER_BYTES + LINE_BYTES * skus.len();
        let reserved = matches!(*entry.work, Work::Release(_));
        let demand = Demand { skus, bytes, deadline: entry.deadline.instant(), reserved };
        let mut state = self.state();
        for (claim, keyed) in &claims {
            if let Some(twin) = state.under_way.get(claim) {
                return Err(twin.stands_in_the_way(keyed.as_ref(), entry));
            }
        }
        match state.scheduler.admit(demand, entry, Instant::now()) {
            Ok(()) => {
                let ended = CancellationToken::new();
                let under_way = |keyed| UnderWay { keyed, ended: ended.clone() };
                state.under_way.extend(claims.into_iter().map(|(claim, keyed)| (claim, under_way(keyed))));
                metrics::gauge!("order_lanes_waiting").set(count(state.scheduler.waiting()));
                Ok(())
            }
            Err((refused, _)) => Err(NotAdmitted::Refused(overloaded(refused))),
        }
    }

    /// Starts as many batches as there are free lanes and work for.
    fn start_batches(&self) {
        loop {
            let mut state = self.state();
            let Step { batch, late } = state.scheduler.next(Instant::now(), |entry: &Entry| !entry.reply.is_closed());
            for entry in &late {
                state.withdraw(&entry.work);
            }
            let careful = batch.as_ref().is_some_and(|(_, entries)| state.is_short_of(entries));
            metrics::gauge!("order_lanes_waiting").set(count(state.scheduler.waiting()));
            drop(state);
            late.into_iter().for_each(Entry::answer_late);
            let Some((id, entries)) = batch else { return };
            let running = Running { lanes: self.clone(), id, works: works(&entries) };
            let span = span_of(&entries);
            let commit = async move {
                running.commit(entries, careful).await;
                Ok::<_, OrderError>(())
            };
            self.tasks.spawn("commit-batch", OnFailure::Log, commit.instrument(span));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    fn stands_in_the_way(&self, of: Option<&Keyed>, entry: Entry) -> NotAdmitted {
        match (&self.keyed, of) {
            (Some(keyed), Some(of)) if keyed == of => NotAdmitted::Overtaking(self.ended.clone(), entry),
            (Some(keyed), Some(of)) if keyed.fingerprint != of.fingerprint => {
                NotAdmitted::Refused(idempotency::key_reused().into())
            }
            _ => NotAdmitted::Refused(Conflict::InFlight.into()),
        }
    }
}

impl State {
    fn withdraw(&mut self, work: &Work) {
        for (claim, _) in claims(work) {
            if let Some(under_way) = self.under_way.remove(&claim) {
                under_way.ended.cancel();
            }
        }
    }

    /// Whether a batch asks for more than was there lately, so that it is better to look first.
    fn is_short_of(&self, entries: &[Entry]) -> bool {
        let mut asked = HashMap::<&Sku, u64>::new();
        for line in entries.iter().filter_map(|entry| entry.work.placed()).flat_map(|order| &order.lines) {
            *asked.entry(&line.sku).or_default() += u64::from(line.quantity.get());
        }
        asked.into_iter().any(|(sku, pieces)| self.shortages.concern(sku, pieces))
    }

    /// Takes note of what a batch has found about counters.
    fn learn(&mut self, works: &[Arc<Work>], committed: &Committed) {
        let now = Instant::now();
        for (work, outcome) in works.iter().zip(&committed.outcomes) {
            match outcome {
                Ok(_) if work.placed().is_none() => work.skus().for_each(|sku| self.shortages.forget(sku)),
                Err(OrderError::Stock(StockRefusal::Insufficient(shortages))) => {
                    for Shortage { sku, .. } in shortages {
                        if let Some(available) = committed.levels.available(sku) {
                            self.shortages.learn(sku, available, now);
                        }
                    }
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// A batch that holds its SKUs and its lane until it is dropped.
struct Running {
    lanes: CommitLanes,
    id: BatchId,
    works: Arc<[Arc<Work>]>,
}

impl Running {
    async fn commit(self, entries: Vec<Entry>, careful: bool) {
        let started = Instant::now();
        metrics::counter!("order_lanes_batches_total").increment(1);
        metrics::counter!("order_lanes_batched_total").increment(entries.len().try_into().unwrap_or(u64::MAX));
        metrics::histogram!("order_lanes_batch_orders").record(count(entries.len()));
        for entry in &entries {
            metrics::histogram!("order_lanes_wait_seconds").record(started - entry.since);
        }
        // Whose time is up sooner is answered by its own deadline and finds the outcome under its key.
        let deadline = entries.iter().map(|entry| entry.deadline).max();
        let Some(deadline) = deadline else { return };
        let committed = self.lanes.store.commit(Arc::clone(&self.works), careful, deadline).await;
        metrics::histogram!("order_lanes_batch_seconds").record(started.elapsed());
        self.lanes.state().learn(&self.works, &committed);
        drop(self);
        for (entry, outcome) in entries.into_iter().zip(committed.outcomes) {
            // Nobody waits for it any more: the outcome is found under its key.
            drop(entry.reply.send(outcome));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.lanes.state();
        for work in self.works.iter() {
            state.withdraw(work);
        }
        state.scheduler.finish(self.id, Instant::now());
        drop(state);
        self.lanes.start_batches();
    }
}

impl Entry {
    fn answer_late(self) {
        metrics::counter!("order_lanes_refused_total", "reason" => "late").increment(1);
        drop(self.reply.send(Err(Error::deadline_exceeded().into())));
    }
}

/// The span of a batch: in the trace of its oldest piece of work, and linked to those of the others.
fn span_of(entries: &[Entry]) -> Span {
    let Some((oldest, others)) = entries.split_first() else { return Span::none() };
    let span = tracing::info_span!(
        target: telemetry::STEP,
        parent: &oldest.span,
        "batch",
        otel.name = "commit batch",
        orders = entries.len()
    );
    others.iter().for_each(|other| {
        span.follows_from(&other.span);
    });
    span
}

fn works(entries: &[Entry]) -> Arc<[Arc<Work>]> {
    entries.iter().map(|entry| Arc::clone(&entry.work)).collect()
}

fn claims(work: &Work) -> Vec<(Claim, Option<Keyed>)> {
    match work {
        Work::Place(Placement { placed_by, .. }) => {
            let claim = Claim::Placement(placed_by.user_id, placed_by.key.clone());
            let PlacedBy { fingerprint, request_id, .. } = placed_by;
            vec![(claim, Some(Keyed { fingerprint: *fingerprint, request_id: request_id.clone() }))]
        }
        Work::Release(release) => {
            let ending = Claim::Ending(release.order.id);
            match &release.cause {
                Cause::Expired | Cause::RiskRejected => vec![(ending, None)],
                Cause::Cancelled { key, request_id } => {
                    let keyed = Keyed { fingerprint: *key.fingerprint(), request_id: request_id.clone() };
                    vec![(Claim::Cancellation(key.id().to_owned()), Some(keyed)), (ending, None)]
                }
            }
        }
    }
}

fn overloaded(refused: Refused) -> OrderError {
    let reason = match refused {
        Refused::Full => "full",
        Refused::TooLate => "too_late",
    };
    metrics::counter!("order_lanes_refused_total", "reason" => reason).increment(1);
    let error = Error::new(Reason::Overloaded, "too many orders are waiting; try again soon");
    error.with_retry_after(RETRY_AFTER).into()
}

/// A gauge is a floating-point number; what may wait is far below where that loses count.
fn count(waiting: usize) -> f64 {
    u32::try_from(waiting).map_or(f64::MAX, f64::from)
}
