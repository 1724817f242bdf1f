//! The broker: publishing with acknowledgements, and the topics.

mod publisher;
mod record;
mod topics;

use std::time::Duration;

use rdkafka::ClientConfig;

use crate::KafkaConfig;

pub(crate) use publisher::{PublishError, Publisher};
pub(crate) use record::Record;

/// How long a request to the broker may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// What every client of the broker is told.
fn client_config(kafka: &KafkaConfig, client: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &kafka.brokers)
        .set("client.id", client)
        // A broker that is back should be found at once.
        .set("reconnect.backoff.max.ms", "1000")
        .set("socket.keepalive.enable", "true");
    config
}
