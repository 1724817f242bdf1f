//! The commit lanes: work that changes the stock waits here, is committed in batches, and is answered when its batch is
//! committed.
//!
//! Batching is an optimisation. The transaction keeps stock from being sold twice and a key from placing two orders,
//! with any number of replicas; correctness does not depend on the lanes.

mod schedule;
mod shortages;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use envelope::{Error, Reason};
use idempotency::{Answer, Conflict, Fingerprint};
use primitives::{IdempotencyKey, OrderId, OrderLines, Sku, UserId};
use service::{Deadline, OnFailure, Tasks, telemetry};
use stock::{Shortage, StockRefusal};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use crate::config::LanesConfig;
use crate::domain::{Cause, KeyedRequest, Order, PlacedBy, Placement, Refusal, Work};
use crate::error::OrderError;
use crate::store::{CommitMode, Committed, Store};
use schedule::{BatchId, Demand, LaneLimits, Refused, Scheduler, Step};
use shortages::Shortages;

/// How often the counters that were short are polled.
const LOOK_PERIOD: Duration = Duration::from_millis(250);
/// The time-out of one poll.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);
/// The `Retry-After` of a refusal when the lanes are full.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The approximate size of an order and of a line of it, in memory and in the database.
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
    /// The work that waits or is being committed. Rejects concurrent duplicates.
    in_flight: HashMap<DedupKey, InFlight>,
    shortages: Shortages,
}

struct Entry {
    work: Arc<Work>,
    deadline: Deadline,
    since: Instant,
    span: Span,
    reply: oneshot::Sender<Result<Answer<Order>, OrderError>>,
}

/// The identity of a piece of work: one at a time is in flight.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum DedupKey {
    Placement(UserId, IdempotencyKey),
    /// The id of the cancellation's scoped key.
    Cancellation(String),
    /// The order that ends.
    Ending(OrderId),
}

/// A piece of work in flight.
#[derive(Debug, Clone)]
struct InFlight {
    /// Its request, if that came with an idempotency key.
    request: Option<RequestIdentity>,
    /// Cancelled when it is no longer in flight.
    ended: CancellationToken,
}

/// What tells a retry of a request from another request with the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RequestIdentity {
    fingerprint: Fingerprint,
    request_id: String,
}

/// Why work is not admitted.
enum NotAdmitted {
    Refused(OrderError),
    /// An earlier attempt of the same request is in flight, until this token is cancelled.
    Retry(CancellationToken, Entry),
}

impl CommitLanes {
    pub(crate) fn new(store: Store, tasks: Tasks, config: &LanesConfig) -> Self {
        let scheduler = Scheduler::new(LaneLimits::from(config));
        let state = State { scheduler, in_flight: HashMap::new(), shortages: Shortages::default() };
        Self { store, tasks, state: Arc::new(Mutex::new(state)) }
    }

    /// Checks whether a new order would be admitted, before any work is done for it.
    ///
    /// # Errors
    /// `INSUFFICIENT_STOCK` when a counter was too low a moment ago; `OVERLOADED` when the queue is full, or the
    /// order's turn would come after its deadline.
    pub(crate) fn check_admission(&self, lines: &OrderLines, deadline: Deadline) -> Result<(), OrderError> {
        let (mut state, now) = (self.state(), Instant::now());
        let shortages = state.shortages.of(lines.as_ref(), now);
        if !shortages.is_empty() {
            metrics::counter!("orders_refused_from_memory_total").increment(1);
            return Err(StockRefusal::Insufficient(shortages).into());
        }
        state.scheduler.refusal(lines.skus(), deadline.instant(), now).map_or(Ok(()), |why| Err(overloaded(why)))
    }

    /// Queues work and waits until it is committed or refused. When the request is dropped, work that has started is
    /// finished and work that has not is discarded. A retry of a request that is in flight waits for that attempt and
    /// is given its answer.
    ///
    /// # Errors
    /// `OVERLOADED` at once when the queue is full or the turn would come after the deadline; `IDEMPOTENCY_IN_FLIGHT`
    /// for a concurrent duplicate; `DEADLINE_EXCEEDED`; and the refusals of the rules.
    pub(crate) async fn commit(&self, work: Work, deadline: Deadline) -> Result<Answer<Order>, OrderError> {
        let (reply, outcome) = oneshot::channel();
        let mut entry = Entry { work: Arc::new(work), deadline, since: Instant::now(), span: Span::current(), reply };
        loop {
            entry = match self.admit(entry) {
                Ok(()) => break,
                Err(NotAdmitted::Refused(error)) => return Err(error),
                Err(NotAdmitted::Retry(ended, entry)) => {
                    deadline.bound(ended.cancelled()).await.map_err(mongo::Error::from)?;
                    entry
                }
            };
        }
        self.start_batches();
        outcome.await.unwrap_or_else(|_dropped| Err(Error::internal("a batch panicked").into()))
    }

    /// Polls the counters that were short, until the process stops.
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
                // The known counters expire, and transactions decide again.
                Err(error) => tracing::warn!(?error, "counters that are short can't be read"),
            }
        }
        Ok(())
    }

    fn admit(&self, entry: Entry) -> Result<(), NotAdmitted> {
        let keys = dedup_keys(&entry.work);
        let skus: Vec<_> = entry.work.skus().cloned().collect();
        let bytes = ORDER_BYTES + LINE_BYTES * skus.len();
        let reserved = matches!(*entry.work, Work::Release(_));
        let demand = Demand { skus, bytes, deadline: entry.deadline.instant(), reserved };
        let mut state = self.state();
        for (key, request) in &keys {
            if let Some(in_flight) = state.in_flight.get(key) {
                return Err(in_flight.reject(request.as_ref(), entry));
            }
        }
        match state.scheduler.admit(demand, entry, Instant::now()) {
            Ok(()) => {
                let ended = CancellationToken::new();
                let in_flight = |request| InFlight { request, ended: ended.clone() };
                state.in_flight.extend(keys.into_iter().map(|(key, request)| (key, in_flight(request))));
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
            let mode = batch.as_ref().map(|(_, entries)| state.mode_for(entries));
            metrics::gauge!("order_lanes_waiting").set(count(state.scheduler.waiting()));
            drop(state);
            late.into_iter().for_each(Entry::answer_late);
            let (Some((id, entries)), Some(mode)) = (batch, mode) else { return };
            let running = BatchGuard { lanes: self.clone(), id, works: works(&entries) };
            let span = span_of(&entries);
            let commit = async move {
                running.commit(entries, mode).await;
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

impl InFlight {
    fn reject(&self, request: Option<&RequestIdentity>, entry: Entry) -> NotAdmitted {
        match (&self.request, request) {
            (Some(ours), Some(theirs)) if ours == theirs => NotAdmitted::Retry(self.ended.clone(), entry),
            (Some(ours), Some(theirs)) if ours.fingerprint != theirs.fingerprint => {
                NotAdmitted::Refused(Refusal::KeyReused.into())
            }
            _ => NotAdmitted::Refused(Conflict::InFlight.into()),
        }
    }
}

impl State {
    fn withdraw(&mut self, work: &Work) {
        for (key, _) in dedup_keys(work) {
            if let Some(in_flight) = self.in_flight.remove(&key) {
                in_flight.ended.cancel();
            }
        }
    }

    /// A batch that asks for more than the counters had lately reads them first.
    fn mode_for(&self, entries: &[Entry]) -> CommitMode {
        let mut asked = HashMap::<&Sku, u64>::new();
        for line in entries.iter().filter_map(|entry| entry.work.placed()).flat_map(|order| &order.lines) {
            *asked.entry(&line.sku).or_default() += u64::from(line.quantity.get());
        }
        let is_short = asked.into_iter().any(|(sku, pieces)| self.shortages.concern(sku, pieces));
        if is_short { CommitMode::ReadFirst } else { CommitMode::WriteFirst }
    }

    /// Learns the counters that a batch has read.
    fn learn(&mut self, works: &[Arc<Work>], committed: &Committed) {
        let now = Instant::now();
        for (work, outcome) in works.iter().zip(&committed.outcomes) {
            match outcome {
                Ok(_) if work.placed().is_none() => work.skus().for_each(|sku| self.shortages.forget(sku)),
                Err(OrderError::Refused(Refusal::Stock(StockRefusal::Insufficient(shortages)))) => {
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
struct BatchGuard {
    lanes: CommitLanes,
    id: BatchId,
    works: Arc<[Arc<Work>]>,
}

impl BatchGuard {
    async fn commit(self, entries: Vec<Entry>, mode: CommitMode) {
        let started = Instant::now();
        metrics::counter!("order_lanes_batches_total").increment(1);
        metrics::counter!("order_lanes_batched_total").increment(entries.len().try_into().unwrap_or(u64::MAX));
        metrics::histogram!("order_lanes_batch_orders").record(count(entries.len()));
        for entry in &entries {
            metrics::histogram!("order_lanes_wait_seconds").record(started - entry.since);
        }
        // A request with an earlier deadline is answered by that, and a retry finds the outcome under its key.
        let deadline = entries.iter().map(|entry| entry.deadline).max();
        let Some(deadline) = deadline else { return };
        let committed = self.lanes.store.commit(Arc::clone(&self.works), mode, deadline).await;
        metrics::histogram!("order_lanes_batch_seconds").record(started.elapsed());
        self.lanes.state().learn(&self.works, &committed);
        drop(self);
        for (entry, outcome) in entries.into_iter().zip(committed.outcomes) {
            // The request was dropped: a retry finds the outcome under its key.
            drop(entry.reply.send(outcome));
        }
    }
}

impl Drop for BatchGuard {
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

/// The span of a batch: in the trace of its oldest piece of work, with links to the others.
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

fn dedup_keys(work: &Work) -> Vec<(DedupKey, Option<RequestIdentity>)> {
    match work {
        Work::Place(Placement { placed_by, .. }) => {
            let key = DedupKey::Placement(placed_by.user_id, placed_by.key.clone());
            let PlacedBy { fingerprint, request_id, .. } = placed_by;
            vec![(key, Some(RequestIdentity { fingerprint: *fingerprint, request_id: request_id.clone() }))]
        }
        Work::Release(release) => {
            let ending = DedupKey::Ending(release.order.id);
            match &release.cause {
                Cause::Expired | Cause::RiskRejected => vec![(ending, None)],
                Cause::Cancelled(KeyedRequest { key, request_id }) => {
                    let request = RequestIdentity { fingerprint: *key.fingerprint(), request_id: request_id.clone() };
                    vec![(DedupKey::Cancellation(key.id().to_owned()), Some(request)), (ending, None)]
                }
            }
        }
    }
}

impl From<&LanesConfig> for LaneLimits {
    fn from(config: &LanesConfig) -> Self {
        Self {
            lanes: config.count.get(),
            waiting: config.max_waiting_orders,
            reserved: config.max_waiting_releases,
            waiting_bytes: config.max_waiting_bytes,
            batch_orders: config.max_batch_orders.get(),
            batch_lines: config.max_batch_lines,
            batch_bytes: config.max_batch_bytes,
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

/// Gauges are floating-point numbers; queue lengths are far below where those lose precision.
fn count(waiting: usize) -> f64 {
    u32::try_from(waiting).map_or(f64::MAX, f64::from)
}
