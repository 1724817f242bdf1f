//! Topics are made by us, never by the broker's default.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{REQUEST_TIMEOUT, client_config};
use crate::{KafkaConfig, Topic};

/// How long dead letters are kept, in hours: 90 days.
const DEAD_LETTERS_RETENTION_HOURS: u32 = 90 * 24;

/// Makes the topics that are not there.
pub(super) async fn ensure(kafka: &KafkaConfig, client: &str) -> Result<(), KafkaError> {
    let admin: AdminClient<DefaultClientContext> = client_config(kafka, client).create()?;
    let topics = Topic::ALL.into_iter().flat_map(|topic| {
        let events = (topic.name(&kafka.prefix), kafka.retention_hours);
        [events, (topic.dead_letters(&kafka.prefix), DEAD_LETTERS_RETENTION_HOURS)]
    });
    let topics: Vec<_> =
        topics.map(|(name, hours)| (name, (u64::from(hours) * 60 * 60 * 1_000).to_string())).collect();
    let partitions = i32::try_from(kafka.partitions.get()).unwrap_or(i32::MAX);
    let replication = i32::try_from(kafka.replication.get()).unwrap_or(i32::MAX);
    let wanted = topics.iter().map(|(name, retention_ms)| {
        NewTopic::new(name, partitions, TopicReplication::Fixed(replication))
            .set("retention.ms", retention_ms)
    });
    let wanted: Vec<_> = wanted.collect();
    let options =
        AdminOptions::new().operation_timeout(Some(REQUEST_TIMEOUT)).request_timeout(Some(REQUEST_TIMEOUT));
    let made = admin.create_topics(&wanted, &options).await;
    // As with producers, ending a client waits for its thread.
    drop(tokio::task::spawn_blocking(move || drop(admin)));
    for outcome in made? {
        match outcome {
            Ok(name) => tracing::info!(topic = name, "made a topic"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                tracing::warn!(topic = name, %code, "a topic could not be made");
                return Err(KafkaError::AdminOp(code));
            }
        }
    }
    Ok(())
}
