//! The connection, and the one place where read and write concerns are spelled out.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::doc;
use mongodb::options::{
    ClientOptions, CollectionOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, ClientSession, Collection, Database};
use secrecy::ExposeSecret as _;
use service::{Deadline, Tasks};

use crate::abandoned::Conflicts;
use crate::observe::observe;
use crate::{Error, MongoConfig};

/// A database of the platform. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    pub(crate) client: Client,
    pub(crate) database: Database,
    /// What the server knows our connections by.
    pub(crate) app_name: String,
    pub(crate) tasks: Tasks,
    write_concern_timeout: Duration,
    pub(crate) conflicts: Arc<Conflicts>,
}

/// What is promised about reads and writes, by kind of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Orders, stock, payments, users, idempotency records: majority reads from the primary, journaled majority
    /// writes. In a transaction: snapshot reads.
    Ledger,
    /// Linearizable reads: account balances outside a transaction. One document by its `_id` at a time.
    Linearizable,
    /// The same data as of one moment, in a session of [`Db::snapshot`]. A collection of another policy keeps its own
    /// read concern there, and sees what is committed from one read to the next.
    Snapshot,
    /// What is only shown, and decides nothing: the catalogue, and orders, stock, users and statements as people look
    /// at them. Majority reads, from a secondary when there is no primary, which may be a moment behind; majority
    /// writes.
    Shown,
    /// Access and login logs: local reads, writes acknowledged by the primary alone. The caller drops and counts
    /// what can't be written.
    Log,
}

impl Db {
    /// Prepares the connection; no I/O happens until it is used. Transactions run as `tasks` of the process.
    pub async fn connect(config: &MongoConfig, tasks: &Tasks) -> Result<Self, Error> {
        let mut options = ClientOptions::parse(config.uri.expose_secret()).await?;
        let ms = |value| Some(Duration::from_millis(value));
        let app_name = options.app_name.get_or_insert_with(|| "fournines".to_owned()).clone();
        options.max_pool_size = Some(config.max_pool_size);
        options.min_pool_size = Some(config.min_pool_size);
        options.max_connecting = Some(config.max_connecting);
        options.max_idle_time = ms(config.max_idle_time_ms);
        options.connect_timeout = ms(config.connect_timeout_ms);
        options.server_selection_timeout = ms(config.server_selection_timeout_ms);
        options.heartbeat_freq = ms(config.heartbeat_period_ms);
        options.retry_reads = Some(true);
        options.retry_writes = Some(true);
        observe(&mut options);
        let client = Client::with_options(options)?;
        let database = client.database(&config.database);
        Ok(Self {
            client,
            database,
            app_name,
            tasks: tasks.clone(),
            write_concern_timeout: config.write_concern_timeout(),
            conflicts: Arc::default(),
        })
    }

    /// A collection under a policy.
    #[allow(clippy::disallowed_methods)] // this is where collections come from
    pub fn collection<T: Send + Sync>(&self, policy: Policy, name: &str) -> Collection<T> {
        self.database.collection_with_options(name, self.options(policy))
    }

    /// Whether a member answers, be it the primary or not: reads that only show go on without one, so an election makes
    /// nobody unready.
    pub async fn ping(&self) -> Result<(), Error> {
        let any = SelectionCriteria::ReadPreference(ReadPreference::PrimaryPreferred { options: None });
        self.database.run_command(doc! { "ping": 1 }).selection_criteria(any).await?;
        Ok(())
    }

    /// A session whose reads all see one moment, as a majority had it: that of the first read. Only collections under
    /// [`Policy::Snapshot`] are read so.
    pub async fn snapshot(&self) -> Result<ClientSession, mongodb::error::Error> {
        self.client.start_session().snapshot(true).await
    }

    /// The database itself, for migrations.
    pub fn database(&self) -> &Database {
        &self.database
    }

    fn options(&self, policy: Policy) -> CollectionOptions {
        let (read, write, members) = match policy {
            Policy::Ledger => (ReadConcern::majority(), self.majority(), ReadPreference::Primary),
            Policy::Linearizable => (ReadConcern::linearizable(), self.majority(), ReadPreference::Primary),
            Policy::Snapshot => (ReadConcern::snapshot(), self.majority(), ReadPreference::Primary),
            Policy::Shown => {
                (ReadConcern::majority(), self.majority(), ReadPreference::PrimaryPreferred { options: None })
            }
            Policy::Log => (ReadConcern::local(), WriteConcern::nodes(1), ReadPreference::Primary),
        };
        CollectionOptions::builder()
            .read_concern(read)
            .write_concern(write)
            .selection_criteria(SelectionCriteria::ReadPreference(members))
            .build()
    }

    pub(crate) fn majority(&self) -> WriteConcern {
        WriteConcern::builder()
            .w(mongodb::options::Acknowledgment::Majority)
            .journal(true)
            .w_timeout(self.write_concern_timeout)
            .build()
    }
}

/// Runs one operation within the deadline. `operation` gets the time that is left, for `max_time`, so that the server
/// stops too; the driver has no socket time-out, so the wait is bounded here as well.
pub async fn bounded<T, O>(deadline: Deadline, operation: impl FnOnce(Duration) -> O) -> Result<T, Error>
where
    O: IntoFuture<Output = mongodb::error::Result<T>>,
{
    let left = deadline.remaining()?;
    Ok(deadline.bound(operation(left).into_future()).await??)
}
