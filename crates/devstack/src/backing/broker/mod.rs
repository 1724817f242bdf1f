//! The Kafka broker of a stack: which one, how it is started, and when it is ready.

mod kafka;
mod probe;
mod tansu;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::BackingOptions;
use crate::parts::{self, Kafka, TANSU};
use crate::process::Process;
use crate::wait::{self, Look};
use crate::{Error, Progress, Result};

/// The broker of a stack. Both speak Kafka's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BrokerKind {
    /// Starts at once, in 18 MB of memory, and keeps nothing on disk: after a restart it is empty.
    #[default]
    Tansu,
    /// Apache Kafka, one node. Needs Java 17; keeps its data on disk.
    Kafka,
}

impl BrokerKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Tansu, Self::Kafka];

    /// Its name on the command line and in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tansu => "tansu",
            Self::Kafka => "kafka",
        }
    }

    /// The names of its ports in the port book. Clients connect to the first.
    pub(super) fn port_names(self) -> &'static [&'static str] {
        match self {
            Self::Tansu => &["broker"],
            Self::Kafka => &["broker", "broker-controller"],
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Tansu => "Kafka broker",
            Self::Kafka => "Apache Kafka",
        }
    }
}

impl fmt::Display for BrokerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for BrokerKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| Error::UnknownBroker(name.to_owned()))
    }
}

/// A broker that can be started here.
pub(super) enum Program {
    Tansu(PathBuf),
    Kafka(Kafka),
}

impl Program {
    pub(super) async fn find_or_fetch(kind: BrokerKind, progress: &Progress) -> Result<Self> {
        Ok(match kind {
            BrokerKind::Tansu => Self::Tansu(parts::find_or_fetch(&TANSU, progress).await?),
            BrokerKind::Kafka => Self::Kafka(parts::find_or_fetch_kafka(progress).await?),
        })
    }
}

/// A running broker. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Broker {
    kind: BrokerKind,
    process: Process,
    port: u16,
}

impl Broker {
    /// Starts the broker on `ports`, in the order of [`BrokerKind::port_names`], and waits until it answers.
    pub(super) async fn start(
        program: Program,
        ports: &[u16],
        options: &BackingOptions,
        progress: &Progress,
    ) -> Result<Self> {
        let kind = options.broker;
        let starting = async {
            let spec = match program {
                Program::Tansu(tansu) => tansu::spec(tansu, ports[0], options),
                Program::Kafka(kafka) => kafka::prepare(&kafka, ports[0], ports[1], options).await?,
            };
            let broker = Self { kind, process: Process::start(spec)?, port: ports[0] };
            broker.wait_until_it_answers(options.start_timeout).await?;
            Ok(broker)
        };
        progress.step(kind.label(), starting).await
    }

    pub(super) async fn start_again(&self, bound: Duration) -> Result<()> {
        self.process.start_again()?;
        self.wait_until_it_answers(bound).await
    }

    pub(super) fn kind(&self) -> BrokerKind {
        self.kind
    }

    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    async fn wait_until_it_answers(&self, bound: Duration) -> Result<()> {
        let what = format!("{} did not answer on port {}", self.process.name(), self.port);
        wait::until(&what, bound, async || {
            self.process.check()?;
            Ok(match probe::lists_itself(self.port).await {
                Ok(true) => Look::Ready(()),
                Ok(false) => Look::NotYet("it does not list itself as a broker".into()),
                Err(error) => Look::NotYet(error.to_string()),
            })
        })
        .await?;
        // Another process on the port may have answered while this one was failing to bind it.
        self.process.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_known_by_the_same_name_everywhere() {
        for kind in BrokerKind::ALL {
            assert_eq!(kind.name().parse::<BrokerKind>().unwrap(), kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert!(matches!("rabbit".parse::<BrokerKind>(), Err(Error::UnknownBroker(_))));
    }
}
