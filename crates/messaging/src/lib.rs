//! Events between services: written in the transaction of the change that they tell of, and published to Kafka in
//! order.
//!
//! A service that changes something writes the event beside it and lets the relay do the rest:
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
pub use kafka::{DeadLetterError, DeadLetterLog, Letter, LetterPlace, Letters, Origin, Received, Republished};
pub use outbox::{MIGRATIONS, Outbox, OutboxGrpc};
pub use payload::{Payload, Unreadable};
pub use topic::Topic;
