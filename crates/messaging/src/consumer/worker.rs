//! Applies the events of its keys, a batch at a time.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use mongo::TransactError;
use rdkafka::message::Message as _;
use service::{Deadline, Tasks, telemetry};
use tokio::sync::mpsc;
use tracing::{Instrument as _, Span};

use super::held::{Held, Waiting};
use super::inbox::Applied;
use super::{Core, Delivered, Effect, Refused};
use crate::kafka::DeadLetter;

/// How long applying a batch may take.
pub(super) const APPLY_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Worker<E: Effect> {
    core: Arc<Core<E>>,
    queue: mpsc::Receiver<Delivered<E::Item>>,
    held: Held<E::Item>,
}

impl<E: Effect> Worker<E> {
    pub(super) fn new(core: Arc<Core<E>>, queue: mpsc::Receiver<Delivered<E::Item>>) -> Self {
        let held = Held::new(core.retries);
        Self { core, queue, held }
    }

    /// Applies events until the process stops. The batch under way is finished; waiting events are delivered again, to
    /// this or another process.
    pub(super) async fn run(mut self, tasks: Tasks) -> Result<(), Infallible> {
        let stop = tasks.stop_signal();
        let most = self.core.config.batch();
        loop {
            let mut events = Vec::new();
            let room = self.held.len() < self.core.config.share();
            let due = self.held.due();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                taken = self.queue.recv_many(&mut events, most), if room => {
                    if taken == 0 {
                        return Ok(());
                    }
                    stop.run_until_cancelled(self.gather(&mut events, most)).await;
                }
                () = until(due), if due.is_some() => {}
            }
            let fresh = self.held.sort(events);
            let late = self.held.take_due(most);
            for waiting in [fresh, late] {
                self.attempt(waiting).await;
            }
        }
    }

    /// Adds the events of the linger time, up to `most`: transactions cost about the same whatever their size.
    async fn gather(&mut self, events: &mut Vec<Delivered<E::Item>>, most: usize) {
        let mut over = pin!(tokio::time::sleep(self.core.config.linger()));
        while events.len() < most {
            let left = most - events.len();
            tokio::select! {
                () = &mut over => return,
                taken = self.queue.recv_many(events, left) => if taken == 0 { return },
            }
        }
    }

    /// Applies the events of keys together or, if that fails, key by key.
    async fn attempt(&mut self, keys: Vec<Waiting<E::Item>>) {
        let keys = self.bury_dead(keys).await;
        let all = || keys.iter().flat_map(|key| &key.events);
        let count = NonZeroU32::new(u32::try_from(all().count()).unwrap_or(u32::MAX));
        let Some(count) = count else { return };
        // A key that waited long may have more events than a batch; they count as one batch.
        let count = count.min(self.core.config.max_batch);
        self.core.rate.acquire(count).await;
        match self.apply(all(), None).await {
            Ok(()) => {}
            // The database is unavailable, so no key would succeed alone. After the last attempt each is tried alone
            // all the same: its own events may be the cause.
            Err(TransactError::Store(
                mongo::Error::Unavailable(_) | mongo::Error::Deadline(_) | mongo::Error::OutcomeUnknown(_),
            )) if keys.iter().any(|key| self.core.retries.retries(key.attempts)) => {
                for mut key in keys {
                    key.attempts = key.attempts.saturating_add(1);
                    self.held.keep(key);
                }
            }
            Err(error) if keys.len() == 1 => {
                for key in keys {
                    self.failed(key, &error).await;
                }
            }
            Err(_) => {
                for key in keys {
                    if let Err(error) = self.apply(key.events.iter(), None).await {
                        self.failed(key, &error).await;
                    }
                }
            }
        }
    }

    async fn apply(
        &self,
        events: impl Iterator<Item = &Delivered<E::Item>>,
        park: Option<&str>,
    ) -> Result<(), TransactError<Refused>> {
        let events: Vec<_> = events.collect();
        let items: Vec<_> = events.iter().filter_map(|event| event.event.as_ref().ok()).collect();
        let span = processing(self.core.inbox.group(), &items);
        let applying = self.core.inbox.apply(&items, park, Deadline::after(APPLY_TIMEOUT));
        let applied = applying.instrument(span.clone()).await.inspect_err(|error| {
            telemetry::fail(&span, failure(error));
        })?;
        self.core.client.done(events.iter().map(|event| &event.position));
        self.count(applied, &items);
        Ok(())
    }

    fn count(&self, applied: Applied, items: &[&(crate::Received, E::Item)]) {
        let group = self.core.inbox.group();
        let counted = |outcome: &'static str, count: u64| {
            metrics::counter!("consumer_events_total", "group" => group, "outcome" => outcome).increment(count);
        };
        counted("applied", applied.applied);
        counted("duplicate", applied.duplicates);
        counted("parked", applied.parked);
        let now = primitives::now();
        for (event, _) in items {
            let delay = now.duration_since(event.at).as_secs_f64().max(0.0);
            metrics::histogram!("consumer_delay_seconds", "group" => group).record(delay);
        }
    }

    /// Keeps a key that could not be applied for its next attempt or, after the last, parks it.
    async fn failed(&mut self, mut key: Waiting<E::Item>, error: &TransactError<Refused>) {
        key.attempts = key.attempts.saturating_add(1);
        let group = self.core.inbox.group();
        metrics::counter!("consumer_failures_total", "group" => group).increment(1);
        let reason = reason(error);
        tracing::warn!(group, key = key.key, attempts = key.attempts, reason, "events of a key can't be applied");
        if self.core.retries.retries(key.attempts) {
            self.held.keep(key);
            return;
        }
        if let Err(error) = self.apply(key.events.iter(), Some(&reason)).await {
            tracing::warn!(group, key = key.key, ?error, "a key could not be parked");
            self.held.keep(key);
        }
    }

    /// Makes dead letters of events that can never be applied. A key whose dead letter the broker does not take waits.
    async fn bury_dead(&mut self, keys: Vec<Waiting<E::Item>>) -> Vec<Waiting<E::Item>> {
        let mut left = Vec::with_capacity(keys.len());
        for mut key in keys {
            let mut events = Vec::with_capacity(key.events.len());
            let mut buried = true;
            for event in key.events {
                let dead = event.event.as_ref().err().cloned();
                match dead {
                    Some(reason) if buried && self.bury(&event, &reason).await => {
                        self.core.client.done([&event.position]);
                    }
                    Some(_) => {
                        buried = false;
                        events.push(event);
                    }
                    None => events.push(event),
                }
            }
            key.events = events;
            if !buried {
                key.attempts = key.attempts.saturating_add(1);
                self.held.keep(key);
            } else if !key.events.is_empty() {
                left.push(key);
            }
        }
        left
    }

    async fn bury(&self, event: &Delivered<E::Item>, reason: &str) -> bool {
        let message = &event.message;
        let headers = message.headers().cloned().unwrap_or_default();
        let letter = DeadLetter {
            topic: message.topic(),
            key: message.key().unwrap_or_default(),
            payload: message.payload().unwrap_or_default(),
            headers,
            position: Some((message.partition(), message.offset())),
            reason,
        };
        self.core.bury(letter).await
    }
}

impl<E: Effect> Core<E> {
    /// Makes an event a dead letter; returns whether the broker has taken it.
    pub(super) async fn bury(&self, letter: DeadLetter<'_>) -> bool {
        let (topic, reason) = (letter.topic.to_owned(), letter.reason.to_owned());
        match self.dead_letters.send(letter).await {
            Ok(()) => {
                let group = self.inbox.group();
                metrics::counter!("consumer_events_total", "group" => group, "outcome" => "dead").increment(1);
                tracing::error!(group, topic, reason, "an event became a dead letter");
                true
            }
            Err(error) => {
                tracing::warn!(%error, topic, reason, "a dead letter could not be written");
                false
            }
        }
    }
}

/// The span of a batch: in the trace of its oldest event, and linked to the traces of the others.
fn processing<I>(group: &'static str, items: &[&(crate::Received, I)]) -> Span {
    let span = tracing::info_span!(
        target: telemetry::STEP,
        parent: None,
        "process",
        otel.name = format!("process {group}"),
        otel.kind = "consumer",
        messaging.system = "kafka",
        messaging.operation.type = "process",
        messaging.operation.name = "process",
        messaging.consumer.group.name = group,
        messaging.batch.message_count = items.len(),
    );
    if !span.is_disabled() {
        let mut traces = items.iter().filter_map(|(event, _)| event.traceparent.as_deref());
        telemetry::continue_trace(&span, traces.next());
        traces.for_each(|trace| telemetry::link(&span, Some(trace)));
    }
    span
}

fn failure(error: &TransactError<Refused>) -> &'static str {
    match error {
        TransactError::Refused(_) => "refused",
        TransactError::Store(_) => "store",
    }
}

/// The reason, for people.
pub(super) fn reason(error: &TransactError<Refused>) -> String {
    match error {
        TransactError::Refused(refused) => refused.to_string(),
        TransactError::Store(error) => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

async fn until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
