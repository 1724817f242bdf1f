//! The broker that a command works on.

use clap::Args;
use cli::StackFolder;
use messaging::{DeadLetterLog, KafkaConfig};

#[derive(Debug, Args)]
pub(super) struct Broker {
    /// The broker; by default that of the local stack.
    #[arg(long, value_name = "HOST:PORT")]
    broker: Option<String>,
    /// The prefix of the topics, as in `[kafka] prefix` of the services; by default that of the local stack, or
    /// `fournines` with --broker.
    #[arg(long, value_name = "NAME")]
    prefix: Option<String>,
    #[command(flatten)]
    folder: StackFolder,
}

impl Broker {
    pub(super) fn log(&self) -> anyhow::Result<DeadLetterLog> {
        let mut kafka = match &self.broker {
            Some(broker) => KafkaConfig::new(broker),
            None => {
                let stack = self.folder.running()?;
                KafkaConfig { prefix: stack.database, ..KafkaConfig::new(stack.broker) }
            }
        };
        if let Some(prefix) = &self.prefix {
            kafka.prefix.clone_from(prefix);
        }
        Ok(DeadLetterLog::new(&kafka))
    }
}
