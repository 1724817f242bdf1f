//! `nines dlt replay`: publishes letters again to the topics that they came from.

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use cli::terminal;
use messaging::{DeadLetterError, DeadLetterLog, Letter, Republished};
use serde::Serialize;

use super::broker::Broker;
use super::handle::{Handle, TopicName};

/// The most letters that are reported with the reason why they were not published; the others are counted.
const MAX_FAILURES: usize = 100;

#[derive(Debug, Args)]
pub(super) struct ReplayLetters {
    /// The letters, as `nines dlt list` names them, such as stock:0:17.
    #[arg(value_name = "HANDLE", required_unless_present = "all", conflicts_with = "all")]
    handles: Vec<Handle>,
    /// All current letters, including those that were published again before.
    #[arg(long)]
    all: bool,
    /// With --all, only this topic. May be repeated; all three by default.
    #[arg(long = "topic", value_name = "TOPIC", requires = "all")]
    topics: Vec<TopicName>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    broker: Broker,
}

impl ReplayLetters {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let log = self.broker.log()?;
        let mut done = Outcome::default();
        let outcome = {
            let _publishing = terminal::spinner("publishing dead letters again");
            if self.all { self.publish_all(&log, &mut done).await } else { self.publish(&log, &mut done).await }
        };
        // Prints what was done before a failure, too.
        terminal::print(&done, self.json)?;
        outcome.context("the other letters were not published")?;
        Ok(if done.not_published == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn publish(&self, log: &DeadLetterLog, done: &mut Outcome) -> Result<(), DeadLetterError> {
        for handle in &self.handles {
            match log.get(handle.0).await {
                Ok(letter) => publish(log, &letter, done).await?,
                Err(error) => done.record(*handle, Err(error))?,
            }
        }
        Ok(())
    }

    async fn publish_all(&self, log: &DeadLetterLog, done: &mut Outcome) -> Result<(), DeadLetterError> {
        for topic in TopicName::or_all(&self.topics) {
            let mut letters = log.all(topic).await?;
            while let Some(letter) = letters.next().await? {
                publish(log, &letter, done).await?;
            }
        }
        Ok(())
    }
}

async fn publish(log: &DeadLetterLog, letter: &Letter, done: &mut Outcome) -> Result<(), DeadLetterError> {
    done.record(Handle(letter.position()), log.replay(letter).await)
}

/// What was published, and what was not.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    /// The number of letters that the broker has acknowledged, by the topic that they were published to.
    published: BTreeMap<String, u64>,
    not_published: u64,
    /// The reasons of the first hundred of them.
    failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    handle: Handle,
    reason: String,
}

impl Outcome {
    /// Records the outcome of a letter.
    ///
    /// # Errors
    /// When the broker is unavailable, so that all other letters would fail, too.
    fn record(
        &mut self,
        handle: Handle,
        replayed: Result<Republished, DeadLetterError>,
    ) -> Result<(), DeadLetterError> {
        match replayed {
            Ok(republished) => *self.published.entry(republished.topic).or_default() += 1,
            Err(
                error @ (DeadLetterError::NoLetter { .. }
                | DeadLetterError::NoTopic(_)
                | DeadLetterError::UnknownOrigin(_)),
            ) => {
                self.not_published += 1;
                if self.failures.len() < MAX_FAILURES {
                    self.failures.push(Failure { handle, reason: error.to_string() });
                }
            }
            Err(
                error @ (DeadLetterError::Broker(_) | DeadLetterError::NoAnswer | DeadLetterError::NotAcknowledged(_)),
            ) => return Err(error),
        }
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let published: u64 = self.published.values().sum();
        write!(f, "published again: {published}")?;
        for (topic, count) in &self.published {
            write!(f, "\n  {count} to {topic}")?;
        }
        if self.not_published > 0 {
            write!(f, "\nnot published: {}", self.not_published)?;
        }
        for Failure { handle, reason } in &self.failures {
            write!(f, "\n  {handle}: {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_counted_and_an_unavailable_broker_is_an_error() {
        let handle: Handle = "stock:0:17".parse().unwrap();
        let mut done = Outcome::default();
        for offset in 0..2 {
            let republished = Republished { topic: "t.stock.events.v1".to_owned(), partition: 0, offset };
            done.record(handle, Ok(republished)).unwrap();
        }
        assert_eq!(done.to_string(), "published again: 2\n  2 to t.stock.events.v1");
        for _ in 0..=MAX_FAILURES {
            done.record(handle, Err(DeadLetterError::UnknownOrigin(String::new()))).unwrap();
        }
        assert_eq!((done.not_published, done.failures.len()), (101, MAX_FAILURES));
        let expected = "\nnot published: 101\n  stock:0:17: the topic that it came from, \"\", is none";
        assert!(done.to_string().contains(expected), "{done}");
        assert!(done.record(handle, Err(DeadLetterError::NoAnswer)).is_err());
    }
}
