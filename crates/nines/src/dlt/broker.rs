//! Which broker a command is about.

use clap::Args;
use messaging::{DeadLetterLog, KafkaConfig};

use crate::Place;

#[derive(Debug, Args)]
pub(super) struct Broker {
    /// The broker; by default that of the local stack.
    #[arg(long, value_name = "HOST:PORT")]
    broker: Option<String>,
    /// What the names of the topics begin with: `[kafka] prefix` of the services; by default that of the local stack,
    /// or `fournines` with --broker.
    #[arg(long, value_name = "NAME")]
    prefix: Option<String>,
    #[command(flatten)]
    place: Place,
}

impl Broker {
    pub(super) fn log(&self) -> anyhow::Result<DeadLetterLog> {
        let mut kafka = match &self.broker {
            Some(broker) => KafkaConfig::new(broker),
            None => {
                let stack = self.place.running()?;
                KafkaConfig { prefix: stack.database, ..KafkaConfig::new(stack.broker) }
            }
        };
        if let Some(prefix) = &self.prefix {
            kafka.prefix.clone_from(prefix);
        }
        Ok(DeadLetterLog::new(&kafka))
    }
}
