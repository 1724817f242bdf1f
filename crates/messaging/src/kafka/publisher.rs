//! Publishes events and returns which of them the broker has acknowledged.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use mongo::ConvertError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::future_producer::{DeliveryFuture, FutureProducer};

use service::telemetry;
use tokio::time::{Instant, timeout_at};
use tracing::Span;

use super::{Record, client_config, topics};
use crate::{KafkaConfig, Topic};

/// How long a round of events may take to be acknowledged, retries included.
const ROUND_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of events that wait for the broker, in KiB.
const MAX_WAITING_KIB: u32 = 64 * 1_024;
/// How long events are gathered for one request, in ms. All events of a round are sent at once.
const LINGER_MS: u32 = 2;

/// Why an event was not published, or may not have been.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum PublishError {
    /// The broker has refused, or could not be reached in time.
    #[error("the broker has not taken an event")]
    Broker(#[from] KafkaError),
    /// There was no answer in time, or the producer was dropped before it came.
    #[error("the outcome of an event is unknown")]
    NoAnswer,
    /// The kind is unknown, so it has no topic.
    #[error("an event of the unknown kind {0:?}")]
    UnknownKind(String),
    /// The stored document is invalid.
    #[error(transparent)]
    Convert(#[from] ConvertError),
}

/// The outcome of an event.
type Outcome = Result<(), PublishError>;

/// A producer that is created on first use, and replaced after a failure: an idempotent producer fails for good when
/// the broker has lost its producer state, as after a loss of data.
///
/// Events of a key reach the broker in order, without a gap. So no event has a time limit of its own, after which a
/// later one could still succeed: a round as a whole has one, and ends with its producer. Events of that producer may
/// arrive late; they are in order too, and the next producer sends them again.
pub(crate) struct Publisher {
    kafka: KafkaConfig,
    client: &'static str,
    producer: Option<FutureProducer>,
    topics: HashMap<Topic, String>,
}

impl Publisher {
    pub(crate) fn new(kafka: KafkaConfig, client: &'static str) -> Self {
        let topics = Topic::ALL.map(|topic| (topic, topic.name(&kafka.prefix))).into();
        Self { kafka, client, producer: None, topics }
    }

    /// Publishes events in their order; returns the outcome of each, in the same order. It takes [`ROUND_TIMEOUT`] at
    /// most, and as long again when the producer is created.
    ///
    /// # Errors
    /// When the broker could not be reached at all, or an event is too large for it. Some may have been published.
    pub(crate) async fn publish(&mut self, records: Vec<Record<'_>>) -> Result<Vec<Outcome>, PublishError> {
        let published = self.publish_with_producer(records).await;
        if published.as_ref().map_or(true, |outcomes| outcomes.iter().any(Result::is_err)) {
            end(self.producer.take());
        }
        published
    }

    async fn publish_with_producer(&mut self, records: Vec<Record<'_>>) -> Result<Vec<Outcome>, PublishError> {
        let producer = self.producer().await?;
        let until = Instant::now() + ROUND_TIMEOUT;
        let mut under_way = VecDeque::new();
        let mut outcomes = Vec::new();
        for record in records {
            let topic = self.topics.get(&record.topic).map(String::as_str).unwrap_or_default();
            let span = sending(topic, &record);
            let mut record = record.for_topic(topic, &span);
            loop {
                match producer.send_result(record) {
                    Ok(delivery) => {
                        under_way.push_back((delivery, span));
                        break;
                    }
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), given_back)) => {
                        record = given_back;
                        // There is room once the oldest event is acknowledged.
                        outcomes.extend(next(&mut under_way, until).await);
                    }
                    Err((error, _)) => return Err(error.into()),
                }
            }
        }
        while let Some(outcome) = next(&mut under_way, until).await {
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    async fn producer(&mut self) -> Result<FutureProducer, PublishError> {
        if let Some(producer) = &self.producer {
            return Ok(producer.clone());
        }
        topics::ensure(&self.kafka, self.client).await?;
        let producer: FutureProducer = client_config(&self.kafka, self.client)
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("queue.buffering.max.kbytes", MAX_WAITING_KIB.to_string())
            .set("linger.ms", LINGER_MS.to_string())
            .set("compression.type", "lz4")
            .create()?;
        self.producer = Some(producer.clone());
        Ok(producer)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        end(self.producer.take());
    }
}

async fn next(under_way: &mut VecDeque<(DeliveryFuture, Span)>, until: Instant) -> Option<Outcome> {
    let (delivery, span) = under_way.pop_front()?;
    let outcome = match timeout_at(until, delivery).await {
        Ok(Ok(Ok(_))) => Ok(()),
        Ok(Ok(Err((error, _)))) => Err(error.into()),
        Ok(Err(_)) | Err(_) => Err(PublishError::NoAnswer),
    };
    if outcome.is_err() {
        telemetry::fail(&span, "not_acknowledged");
    }
    Some(outcome)
}

/// The span of sending an event, in the trace of the event.
fn sending(topic: &str, record: &Record<'_>) -> Span {
    let Some(traceparent) = record.traceparent else { return Span::none() };
    let span = tracing::info_span!(
        target: telemetry::STEP,
        parent: None,
        "send",
        otel.name = format!("send {topic}"),
        otel.kind = "producer",
        messaging.system = "kafka",
        messaging.operation.type = "send",
        messaging.operation.name = "send",
        messaging.destination.name = topic,
        messaging.message.id = %record.id,
    );
    telemetry::continue_trace(&span, Some(traceparent));
    span
}

/// Drops a producer on a blocking thread, since that waits for its own thread.
pub(super) fn end(producer: Option<FutureProducer>) {
    if let (Some(producer), Ok(runtime)) = (producer, tokio::runtime::Handle::try_current()) {
        drop(runtime.spawn_blocking(move || drop(producer)));
    }
}
