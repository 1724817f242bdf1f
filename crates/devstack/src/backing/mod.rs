//! What the services stand on: the MongoDB replica set and the Kafka broker.

mod node;
mod relocate;
mod replica_set;

use std::path::PathBuf;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

pub use self::node::MongoNode;
use crate::parts::{self, MONGOD, TANSU};
use crate::ports::PortBook;
use crate::process::{Process, ProcessSpec};
use crate::wait::{self, Look};
use crate::{Error, Progress, Result, files};

/// The name of the replica set.
pub const REPLICA_SET: &str = "fournines";
/// How many members the replica set has: the fewest that survive the loss of one.
const MEMBERS: usize = 3;
/// How long a mongod or the broker may take to end before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(15);

/// How to start a [`Backing`].
#[derive(Debug, Clone)]
pub struct BackingOptions {
    /// The folder for data, logs and the ports that were used last. Data found there is used again.
    pub dir: PathBuf,
    /// WiredTiger's cache of each of the three members, in GiB; MongoDB's least is 0.25.
    pub cache_gib: f64,
    /// The size of each member's oplog, in MB.
    pub oplog_mb: u32,
    /// Whether the server takes test commands such as `configureFailPoint`.
    pub test_commands: bool,
    /// How long a member goes without the primary before it calls an election.
    pub election_timeout: Duration,
    /// How long everything together may take to be ready, without fetching.
    pub start_timeout: Duration,
}

impl BackingOptions {
    /// For a stack that a person works with.
    pub fn local(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            cache_gib: 0.5,
            oplog_mb: 512,
            test_commands: false,
            election_timeout: Duration::from_secs(2),
            start_timeout: Duration::from_secs(60),
        }
    }

    /// For tests: small, and with MongoDB's fail points.
    pub fn for_tests(dir: impl Into<PathBuf>) -> Self {
        Self { cache_gib: 0.25, oplog_mb: 128, test_commands: true, ..Self::local(dir) }
    }
}

/// Where a backing can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// The connection string, with all members and the replica set's name.
    pub mongo_uri: String,
    /// `127.0.0.1:PORT`.
    pub broker: String,
}

/// A running replica set and broker. Dropping it kills both; [`Backing::stop`] is the clean way.
#[derive(Debug)]
pub struct Backing {
    nodes: Vec<MongoNode>,
    broker: Process,
    broker_port: u16,
}

impl Backing {
    /// Fetches what is missing, starts everything at once, and comes back when there is a primary, two
    /// secondaries, and a broker that takes connections.
    ///
    /// # Errors
    /// Those of [`parts::find_or_fetch`]; [`Error::Exited`] with its log's tail when a process ends;
    /// [`Error::TimedOut`] with the last observation. What was started is stopped again.
    pub async fn start(options: BackingOptions, progress: &Progress) -> Result<Self> {
        let (mongod, tansu) = futures::try_join!(
            parts::find_or_fetch(&MONGOD, progress),
            parts::find_or_fetch(&TANSU, progress)
        )?;
        files::create_dir(&options.dir.join("logs"))?;
        let names: Vec<String> = (0..MEMBERS).map(node::name).chain(["broker".to_owned()]).collect();
        let ports = PortBook::open(&options.dir.join("ports.json"))?.claim(&names)?;
        let (broker_port, mongo_ports) = (ports[MEMBERS], &ports[..MEMBERS]);
        relocate::to(mongo_ports, &mongod, &options, progress).await?;

        let starts = mongo_ports.iter().enumerate();
        let nodes = starts
            .map(|(index, port)| MongoNode::start(index, *port, &mongod, &options))
            .collect::<Result<Vec<_>>>()?;
        let broker = Process::start(broker_spec(&options, tansu, broker_port))?;
        let backing = Self { nodes, broker, broker_port };
        let bound = options.start_timeout;
        futures::try_join!(
            progress.step("MongoDB replica set", backing.form_replica_set(&options)),
            progress.step("Kafka broker", wait_for_port(&backing.broker, broker_port, bound)),
        )?;
        Ok(backing)
    }

    async fn form_replica_set(&self, options: &BackingOptions) -> Result<()> {
        replica_set::ensure(&self.nodes, options).await?;
        self.wait_until_healthy(options.start_timeout).await
    }

    /// Where the replica set and the broker can be reached.
    #[must_use]
    pub fn connection(&self) -> Connection {
        Connection { mongo_uri: self.mongo_uri(), broker: self.broker() }
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
        format!("127.0.0.1:{}", self.broker_port)
    }

    /// The broker's process. It keeps nothing on disk: started again, it is empty.
    #[must_use]
    pub fn broker_process(&self) -> &Process {
        &self.broker
    }

    /// The broker's port.
    #[must_use]
    pub fn broker_port(&self) -> u16 {
        self.broker_port
    }

    /// Starts the broker again after it was stopped or killed, and waits until it takes connections.
    ///
    /// # Errors
    /// As [`Backing::start`].
    pub async fn start_broker_again(&self, bound: Duration) -> Result<()> {
        self.broker.start_again()?;
        wait_for_port(&self.broker, self.broker_port, bound).await
    }

    /// The members of the replica set.
    #[must_use]
    pub fn mongods(&self) -> &[MongoNode] {
        &self.nodes
    }

    /// One member, to be killed or started again.
    ///
    /// # Panics
    /// When `index` is not 0, 1 or 2.
    #[must_use]
    pub fn mongod(&self, index: usize) -> &MongoNode {
        &self.nodes[index]
    }

    /// Every process of the backing.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.nodes.iter().map(MongoNode::process).chain([&self.broker])
    }

    /// The index of the member that is primary and takes writes now; `None` while there is none.
    pub async fn primary_index(&self) -> Option<usize> {
        replica_set::primary_index(&self.nodes).await
    }

    /// Waits for a primary and gives its index.
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

    /// Stops everything cleanly, all at once; what does not end within 15 s is killed.
    ///
    /// # Errors
    /// The first failure; the others are stopped none the less.
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

fn broker_spec(options: &BackingOptions, tansu: PathBuf, port: u16) -> ProcessSpec {
    let url = format!("tcp://127.0.0.1:{port}");
    let args = ["broker", "--listener-url", &url, "--advertised-listener-url", &url];
    let storage = ["--storage-engine", "memory://tansu/"];
    ProcessSpec {
        name: "broker".into(),
        program: tansu,
        args: args.iter().chain(&storage).map(Into::into).collect(),
        env: Vec::new(),
        log: options.dir.join("logs/broker.log"),
    }
}

async fn wait_for_port(process: &Process, port: u16, bound: Duration) -> Result<()> {
    let what = format!("{} did not take connections on port {port}", process.name());
    wait::until(&what, bound, async || {
        process.check()?;
        Ok(match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(_connection) => Look::Ready(()),
            Err(error) => Look::NotYet(error.to_string()),
        })
    })
    .await?;
    // Whoever had the port before may have answered while this process was failing to bind it.
    process.check()
}

impl Error {
    /// The code of MongoDB's refusal, when it is one.
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
