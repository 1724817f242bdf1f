//! `nines dlt replay`: publishes letters again where they came from.

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use messaging::{DeadLetterError, DeadLetterLog, Letter, Republished};
use serde::Serialize;

use super::broker::Broker;
use super::handle::{Handle, TopicName};
use crate::terminal;

/// The most letters of which it is told why they were not published; the others are counted.
const MAX_TOLD: usize = 100;

#[derive(Debug, Args)]
pub(super) struct ReplayLetters {
    /// The letters, as `nines dlt list` names them, such as stock:0:17.
    #[arg(value_name = "HANDLE", required_unless_present = "all", conflicts_with = "all")]
    handles: Vec<Handle>,
    /// All letters that there are now, those that were published again before, too.
    #[arg(long)]
    all: bool,
    /// With --all, only of this topic. May be given several times; all three by default.
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
        let mut done = Done::default();
        let outcome = {
            let _publishing = terminal::spinner("publishing dead letters again");
            if self.all { self.publish_all(&log, &mut done).await } else { self.publish(&log, &mut done).await }
        };
        // What was done before a failure is told all the same.
        terminal::print(&done, self.json)?;
        outcome.context("the other letters were not tried")?;
        Ok(if done.not_published == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn publish(&self, log: &DeadLetterLog, done: &mut Done) -> Result<(), DeadLetterError> {
        for handle in &self.handles {
            match log.get(handle.0).await {
                Ok(letter) => publish(log, &letter, done).await?,
                Err(error) => done.note(*handle, Err(error))?,
            }
        }
        Ok(())
    }

    async fn publish_all(&self, log: &DeadLetterLog, done: &mut Done) -> Result<(), DeadLetterError> {
        for topic in TopicName::or_all(&self.topics) {
            let mut letters = log.all(topic).await?;
            while let Some(letter) = letters.next().await? {
                publish(log, &letter, done).await?;
            }
        }
        Ok(())
    }
}

async fn publish(log: &DeadLetterLog, letter: &Letter, done: &mut Done) -> Result<(), DeadLetterError> {
    done.note(Handle(letter.position()), log.replay(letter).await)
}

/// What was done.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    /// How many letters the broker has acknowledged, by the topic that they were published to.
    published: BTreeMap<String, u64>,
    not_published: u64,
    /// Why, for the first hundred of them.
    failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    handle: Handle,
    reason: String,
}

impl Done {
    /// Notes what became of a letter.
    ///
    /// # Errors
    /// When the broker is not there, so that no other letter would fare better.
    fn note(&mut self, handle: Handle, outcome: Result<Republished, DeadLetterError>) -> Result<(), DeadLetterError> {
        match outcome {
            Ok(republished) => *self.published.entry(republished.topic).or_default() += 1,
            Err(
                error @ (DeadLetterError::NoLetter { .. }
                | DeadLetterError::NoTopic(_)
                | DeadLetterError::UnknownOrigin(_)),
            ) => {
                self.not_published += 1;
                if self.failures.len() < MAX_TOLD {
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

impl fmt::Display for Done {
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
    fn what_was_done_is_told_and_a_broker_that_is_away_ends_it() {
        let handle: Handle = "stock:0:17".parse().unwrap();
        let mut done = Done::default();
        for offset in 0..2 {
            let republished = Republished { topic: "t.stock.events.v1".to_owned(), partition: 0, offset };
            done.note(handle, Ok(republished)).unwrap();
        }
        assert_eq!(done.to_string(), "published again: 2\n  2 to t.stock.events.v1");
        for _ in 0..=MAX_TOLD {
            done.note(handle, Err(DeadLetterError::UnknownOrigin(String::new()))).unwrap();
        }
        assert_eq!((done.not_published, done.failures.len()), (101, MAX_TOLD));
        let told = "\nnot published: 101\n  stock:0:17: the topic that it came from, \"\", is none";
        assert!(done.to_string().contains(told), "{done}");
        assert!(done.note(handle, Err(DeadLetterError::NoAnswer)).is_err());
    }
}
