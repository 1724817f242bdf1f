//! Events between services: written in the transaction of their change, and published to Kafka in order.
//!
//! A service writes an event with its change, and the relay publishes it:
//!
//! ```text
//! let outbox = Outbox::new(&db, "order", &config.outbox);
//! outbox.relay(&config.kafka, &shell.tasks);
//! // in a transaction
//! outbox.write(session, [Event::new(&Payload::Order(placed), at)]).await?;
//! ```

mod config;
mod consumer;
mod event;
mod kafka;
mod outbox;
mod payload;
mod topic;

pub use config::{ConsumerConfig, KafkaConfig, OutboxConfig};
pub use consumer::{Consumer, Effect, INBOX_MIGRATIONS, Lag, Refused, recorded};
pub use event::Event;
pub use kafka::{DeadLetterError, DeadLetterLog, Letter, LetterPosition, Letters, Origin, Received, Republished};
pub use outbox::{MIGRATIONS, Outbox, OutboxGrpc};
pub use payload::{Payload, Unreadable};
pub use topic::Topic;
