//! Creates topics explicitly; the broker's automatic creation is not used.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{REQUEST_TIMEOUT, client_config};
use crate::{KafkaConfig, Topic};

/// How many times longer than events dead letters are kept, since they wait for a person.
const DEAD_LETTERS_KEPT: u64 = 4;

/// Creates missing topics, and those of their dead letters.
pub(crate) async fn ensure(kafka: &KafkaConfig, client: &str) -> Result<(), KafkaError> {
    let admin: AdminClient<DefaultClientContext> = client_config(kafka, client).create()?;
    let names = Topic::ALL.map(|topic| topic.name(&kafka.prefix));
    let dead = Topic::ALL.map(|topic| topic.dead_letters(&kafka.prefix));
    let retention = |times: u64| (times * u64::from(kafka.retention_hours) * 60 * 60 * 1_000).to_string();
    let (retention_ms, dead_ms) = (retention(1), retention(DEAD_LETTERS_KEPT));
    let partitions = i32::try_from(kafka.partitions.get()).unwrap_or(i32::MAX);
    let replication = i32::try_from(kafka.replication.get()).unwrap_or(i32::MAX);
    let topic = |name, partitions| NewTopic::new(name, partitions, TopicReplication::Fixed(replication));
    let wanted = names.iter().map(|name| topic(name, partitions).set("retention.ms", &retention_ms));
    let wanted: Vec<_> = wanted.chain(dead.iter().map(|name| topic(name, 1).set("retention.ms", &dead_ms))).collect();
    let options = AdminOptions::new().operation_timeout(Some(REQUEST_TIMEOUT)).request_timeout(Some(REQUEST_TIMEOUT));
    let made = admin.create_topics(&wanted, &options).await;
    // Dropping a client waits for its thread, as with producers.
    drop(tokio::task::spawn_blocking(move || drop(admin)));
    for outcome in made? {
        match outcome {
            Ok(name) => tracing::info!(topic = name, "created a topic"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                tracing::warn!(topic = name, %code, "a topic could not be created");
                return Err(KafkaError::AdminOp(code));
            }
        }
    }
    Ok(())
}
