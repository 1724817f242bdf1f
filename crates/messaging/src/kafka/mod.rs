//! The broker: publishing with acknowledgements, received events, dead letters and topics.

mod dead_letter_log;
mod dead_letters;
mod publisher;
mod received;
mod record;
mod topics;

use std::time::Duration;

use rdkafka::ClientConfig;

use crate::KafkaConfig;

pub use dead_letter_log::{DeadLetterError, DeadLetterLog, Letter, LetterPosition, Letters, Origin, Republished};
pub(crate) use dead_letters::{DeadLetter, DeadLetters};
pub(crate) use publisher::{PublishError, Publisher};
pub use received::Received;
pub(crate) use record::{HEADER_ID, HEADER_TYPE, Record};
pub(crate) use topics::ensure as ensure_topics;

/// How long a request to the broker may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings that all clients of the broker share.
pub(crate) fn client_config(kafka: &KafkaConfig, client: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &kafka.brokers)
        .set("client.id", client)
        // Reconnects soon after a broker is back.
        .set("reconnect.backoff.max.ms", "1000")
        .set("socket.keepalive.enable", "true");
    config
}
