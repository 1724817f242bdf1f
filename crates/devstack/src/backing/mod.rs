//! The backing services: the MongoDB replica set and the Kafka broker.

mod broker;
mod node;
mod relocate;
mod replica_set;

use std::path::PathBuf;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};

pub use self::broker::BrokerKind;
use self::broker::{Broker, Program};
pub use self::node::MongoNode;
use crate::parts::{self, MONGOD};
use crate::ports::PortBook;
use crate::process::Process;
use crate::wait::{self, Look};
use crate::{Error, Progress, Result, files};

/// The name of the replica set.
pub const REPLICA_SET: &str = "fournines";
/// The number of members of the replica set: the fewest that survive the loss of one.
const MEMBERS: usize = 3;
/// How long a mongod or the broker may take to end before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(15);

/// How to start a [`Backing`].
#[derive(Debug, Clone)]
pub struct BackingOptions {
    /// The folder for data, logs and the last ports. Existing data is reused.
    pub dir: PathBuf,
    /// The kind of broker.
    pub broker: BrokerKind,
    /// WiredTiger's cache of each of the three members, in GiB; MongoDB's minimum is 0.25.
    pub cache_gib: f64,
    /// The size of each member's oplog, in MB.
    pub oplog_mb: u32,
    /// Whether the server accepts test commands such as `configureFailPoint`.
    pub test_commands: bool,
    /// How long a member goes without a primary before it calls an election.
    pub election_timeout: Duration,
    /// How long everything together may take to be ready, downloads excluded.
    pub start_timeout: Duration,
}

impl BackingOptions {
    /// For an interactive stack, with Tansu as its broker.
    pub fn local(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            broker: BrokerKind::Tansu,
            cache_gib: 0.5,
            oplog_mb: 512,
            test_commands: false,
            election_timeout: Duration::from_secs(2),
            start_timeout: Duration::from_secs(60),
        }
    }

    /// For tests, with this broker: small, with MongoDB's fail points.
    pub fn for_test_run(dir: impl Into<PathBuf>, broker: BrokerKind) -> Self {
        Self { broker, cache_gib: 0.25, oplog_mb: 128, test_commands: true, ..Self::local(dir) }
    }
}

/// The addresses of a backing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// The connection string, with all members and the replica set's name.
    pub mongo_uri: String,
    /// `127.0.0.1:PORT`.
    pub broker: String,
    /// The kind of broker.
    pub broker_kind: BrokerKind,
}

/// A running replica set and broker. Dropping it kills both; [`Backing::stop`] is the clean way.
#[derive(Debug)]
pub struct Backing {
    nodes: Vec<MongoNode>,
    broker: Broker,
}

impl Backing {
    /// Fetches missing parts, starts everything at once, and returns once there is a primary, two secondaries, and a
    /// broker that answers.
    ///
    /// # Errors
    /// Those of [`parts::find_or_fetch`] and [`parts::find_or_fetch_kafka`]; [`Error::Exited`] with its log's tail
    /// when a process ends; [`Error::TimedOut`] with the last observation. Started processes are stopped.
    pub async fn start(options: BackingOptions, progress: &Progress) -> Result<Self> {
        let (mongod, program) = futures::try_join!(
            parts::find_or_fetch(&MONGOD, progress),
            Program::find_or_fetch(options.broker, progress)
        )?;
        files::create_dir(&options.dir.join("logs"))?;
        let broker_names = options.broker.port_names().iter().map(ToString::to_string);
        let names: Vec<String> = (0..MEMBERS).map(node::name).chain(broker_names).collect();
        let ports = PortBook::open(&options.dir.join("ports.json"))?.claim(&names)?;
        let (mongo_ports, broker_ports) = ports.split_at(MEMBERS);
        relocate::to(mongo_ports, &mongod, &options, progress).await?;

        let starts = mongo_ports.iter().enumerate();
        let nodes = starts
            .map(|(index, port)| MongoNode::start(index, *port, &mongod, &options))
            .collect::<Result<Vec<_>>>()?;
        let ((), broker) = futures::try_join!(
            progress.step("MongoDB replica set", replica_set::form(&nodes, &options)),
            Broker::start(program, broker_ports, &options, progress),
        )?;
        Ok(Self { nodes, broker })
    }

    /// The addresses of the replica set and the broker.
    #[must_use]
    pub fn connection(&self) -> Connection {
        let (mongo_uri, broker) = (self.mongo_uri(), self.broker());
        Connection { mongo_uri, broker, broker_kind: self.broker_kind() }
    }

    /// The connection string, with all members and the replica set's name.
    #[must_use]
    pub fn mongo_uri(&self) -> String {
        let hosts: Vec<String> = self.nodes.iter().map(MongoNode::host).collect();
        format!("mongodb://{}/?replicaSet={REPLICA_SET}", hosts.join(","))
    }

    /// The broker, as `127.0.0.1:PORT`.
    #[must_use]
    pub fn broker(&self) -> String {
        format!("127.0.0.1:{}", self.broker.port())
    }

    /// The kind of broker; it decides which data survives a kill.
    #[must_use]
    pub fn broker_kind(&self) -> BrokerKind {
        self.broker.kind()
    }

    /// The broker's process. After a restart Apache Kafka has its data, and Tansu is empty.
    #[must_use]
    pub fn broker_process(&self) -> &Process {
        self.broker.process()
    }

    /// The broker's port.
    #[must_use]
    pub fn broker_port(&self) -> u16 {
        self.broker.port()
    }

    /// Restarts the broker after it was stopped or killed, and waits until it answers.
    ///
    /// # Errors
    /// As [`Backing::start`].
    pub async fn start_broker_again(&self, bound: Duration) -> Result<()> {
        self.broker.start_again(bound).await
    }

    /// The members of the replica set.
    #[must_use]
    pub fn mongods(&self) -> &[MongoNode] {
        &self.nodes
    }

    /// One member, to be killed or restarted.
    ///
    /// # Panics
    /// When `index` is not 0, 1 or 2.
    #[must_use]
    pub fn mongod(&self, index: usize) -> &MongoNode {
        &self.nodes[index]
    }

    /// Every process of the backing.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.nodes.iter().map(MongoNode::process).chain([self.broker.process()])
    }

    /// The index of the primary; `None` while there is none.
    pub async fn primary_index(&self) -> Option<usize> {
        replica_set::primary_index(&self.nodes).await
    }

    /// Waits for a primary and returns its index.
    ///
    /// # Errors
    /// [`Error::TimedOut`].
    pub async fn wait_for_primary(&self, bound: Duration) -> Result<usize> {
        wait::until("no primary was elected", bound, async || {
            Ok(match self.primary_index().await {
                Some(index) => Look::Ready(index),
                None => Look::NotYet("no member says that it is primary".into()),
            })
        })
        .await
    }

    /// Waits until one member is primary and the other two are its secondaries.
    ///
    /// # Errors
    /// [`Error::TimedOut`] with the states last seen; [`Error::Exited`] when a member has ended.
    pub async fn wait_until_healthy(&self, bound: Duration) -> Result<()> {
        replica_set::wait_until_healthy(&self.nodes, bound).await
    }

    /// Stops everything cleanly, all at once; a process that does not end within 15 s is killed.
    ///
    /// # Errors
    /// The first failure. The other processes are stopped all the same.
    pub async fn stop(self) -> Result<()> {
        // Each has its own bound inside terminate.
        let ended = join_all(self.processes().map(|process| process.terminate(STOP_GRACE))).await;
        ended.into_iter().try_for_each(|result| result.map(drop))
    }

    /// Kills everything with SIGKILL, all at once: a power cut.
    ///
    /// # Errors
    /// The first failure.
    pub async fn kill9(&self) -> Result<()> {
        try_join_all(self.processes().map(Process::kill9)).await.map(drop)
    }
}

impl Error {
    /// MongoDB's error code, if the command was refused.
    pub(crate) fn mongo_code(&self) -> Option<i32> {
        match self {
            Self::Mongo { source, .. } => match source.kind.as_ref() {
                mongodb::error::ErrorKind::Command(command) => Some(command.code),
                _ => None,
            },
            _ => None,
        }
    }
}
