//! One member of the replica set: its process and a direct connection to it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::Document;
use mongodb::options::{ClientOptions, ServerAddress};

use super::{BackingOptions, REPLICA_SET};
use crate::error::Context;
use crate::process::{Process, ProcessSpec};
use crate::{Error, Result, files};

/// How long one administrative command may take. The driver has no socket time-out of its own.
const COMMAND_BOUND: Duration = Duration::from_secs(5);

/// One mongod.
#[derive(Debug)]
pub struct MongoNode {
    process: Process,
    port: u16,
}

/// The process name of a member.
pub(super) fn name(index: usize) -> String {
    format!("mongod-{index}")
}

/// The data folder of a member.
pub(super) fn data_dir(options: &BackingOptions, index: usize) -> PathBuf {
    options.dir.join("data").join(name(index))
}

/// A member's name in the replica set.
pub(super) fn host(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

impl MongoNode {
    /// Starts a member of the replica set.
    pub(super) fn start(index: usize, port: u16, mongod: &Path, options: &BackingOptions) -> Result<Self> {
        let mut arguments = arguments(index, port, options);
        arguments.extend(["--replSet", REPLICA_SET].map(Into::into));
        Self::launch(index, port, mongod, options, arguments)
    }

    /// Starts the member outside the replica set, for a change of its stored configuration.
    pub(super) fn start_alone(index: usize, port: u16, mongod: &Path, options: &BackingOptions) -> Result<Self> {
        let mut arguments = arguments(index, port, options);
        // A standalone member must not write to replicated collections. Left on, these two create a sessions collection
        // with an id of its own and delete expired documents, and the member crashes in the set.
        for parameter in ["disableLogicalSessionCacheRefresh=true", "ttlMonitorEnabled=false"] {
            arguments.extend(["--setParameter", parameter].map(Into::into));
        }
        Self::launch(index, port, mongod, options, arguments)
    }

    fn launch(index: usize, port: u16, mongod: &Path, options: &BackingOptions, args: Vec<OsString>) -> Result<Self> {
        files::create_dir(&data_dir(options, index))?;
        let process = Process::start(ProcessSpec {
            name: name(index),
            program: mongod.to_owned(),
            args,
            env: Vec::new(),
            log: options.dir.join("logs").join(format!("{}.log", name(index))),
        })?;
        Ok(Self { process, port })
    }

    /// The process, to be killed or restarted.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The member's name in the replica set: `127.0.0.1:PORT`.
    #[must_use]
    pub fn host(&self) -> String {
        host(self.port)
    }

    /// Connects to this member only, whatever its role. The connection belongs to the current runtime.
    ///
    /// # Errors
    /// [`Error::Mongo`] when the driver refuses the address.
    pub fn direct(&self) -> Result<Direct> {
        let options = ClientOptions::builder()
            .hosts(vec![ServerAddress::Tcp { host: "127.0.0.1".into(), port: Some(self.port) }])
            .app_name("devstack".to_owned())
            .direct_connection(true)
            .connect_timeout(Duration::from_secs(1))
            .server_selection_timeout(Duration::from_secs(1))
            .max_pool_size(2)
            .build();
        let client = Client::with_options(options).context(|| format!("can't talk to {}", self.host()))?;
        Ok(Direct { client, host: self.host() })
    }
}

/// A connection to one member for administrative commands.
#[derive(Debug)]
pub struct Direct {
    client: Client,
    host: String,
}

impl Direct {
    /// Runs a command on the `admin` database, within 5 s.
    ///
    /// # Errors
    /// [`Error::Mongo`] when it fails or is refused, [`Error::TimedOut`].
    pub async fn admin(&self, command: Document) -> Result<Document> {
        self.run("admin", command).await
    }

    /// Runs a command on the given database, within 5 s.
    ///
    /// # Errors
    /// As [`Direct::admin`].
    pub async fn run(&self, database: &str, command: Document) -> Result<Document> {
        let what = || command.keys().next().cloned().unwrap_or_default();
        let database = self.client.database(database);
        let run = database.run_command(command.clone());
        tokio::time::timeout(COMMAND_BOUND, run)
            .await
            .map_err(|_elapsed| Error::TimedOut {
                what: format!("{} did not answer {}", self.host, what()),
                after: COMMAND_BOUND,
                last: "no answer".into(),
            })?
            .context(|| format!("{} on {} failed", what(), self.host))
    }
}

fn arguments(index: usize, port: u16, options: &BackingOptions) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--port".into(), port.to_string().into()];
    arguments.extend(["--dbpath".into(), data_dir(options, index).into()]);
    arguments.extend(["--bind_ip", "127.0.0.1", "--nounixsocket"].map(Into::into));
    arguments.extend(["--wiredTigerCacheSizeGB".into(), options.cache_gib.to_string().into()]);
    arguments.extend(["--oplogSize".into(), options.oplog_mb.to_string().into()]);
    // Compression costs CPU time and gains nothing on loopback.
    arguments.extend(["--networkMessageCompressors", "disabled"].map(Into::into));
    let parameters = [
        // All members stop together, so the default wait of 15 s for a new primary is useless.
        "shutdownTimeoutMillisForSignaledShutdown=500",
        // The diagnostic data capture of each member writes to disk every second.
        "diagnosticDataCollectionEnabled=false",
        // The writes of a process that is killed in a transaction stay locked for this time; by default a minute.
        "transactionLifetimeLimitSeconds=5",
    ];
    let test_commands = options.test_commands.then_some("enableTestCommands=1");
    for parameter in parameters.into_iter().chain(test_commands) {
        arguments.extend(["--setParameter", parameter].map(Into::into));
    }
    arguments
}
