//! The connection to the database, and the only place that sets read and write concerns.

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

use crate::conflicts::Conflicts;
use crate::observe::observe;
use crate::{Error, MongoConfig};

/// A database of the platform. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    pub(crate) client: Client,
    pub(crate) database: Database,
    /// The application name of our connections at the server.
    pub(crate) app_name: String,
    pub(crate) tasks: Tasks,
    write_concern_timeout: Duration,
    pub(crate) conflicts: Arc<Conflicts>,
}

/// The read and write concerns of a kind of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Orders, stock, payments, users, idempotency records: majority reads from the primary, journaled majority writes.
    /// In a transaction: snapshot reads.
    Ledger,
    /// Linearizable reads, of one document by its `_id`: account balances outside a transaction.
    Linearizable,
    /// Snapshot reads, in a session of [`Db::snapshot`]. A collection under another policy keeps its own read concern
    /// in such a session, and sees newer commits from one read to the next.
    Snapshot,
    /// Data for display, on which no decision is based: the catalogue, and lists of orders, stock, users and
    /// statements. Majority reads, from a secondary if there is no primary, which may lag behind; majority writes.
    Shown,
    /// Access and login logs: local reads, writes acknowledged by the primary alone. The caller drops and counts
    /// records that can't be written.
    Log,
}

impl Db {
    /// Prepares the connection; there is no I/O until it is used. Transactions run as `tasks` of the process.
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
    #[allow(clippy::disallowed_methods)] // the one place where collections are opened
    pub fn collection<T: Send + Sync>(&self, policy: Policy, name: &str) -> Collection<T> {
        self.database.collection_with_options(name, self.options(policy))
    }

    /// Checks that a member answers, primary or not: reads for display work without a primary, so an election must not
    /// make services unready.
    pub async fn ping(&self) -> Result<(), Error> {
        let any = SelectionCriteria::ReadPreference(ReadPreference::PrimaryPreferred { options: None });
        self.database.run_command(doc! { "ping": 1 }).selection_criteria(any).await?;
        Ok(())
    }

    /// A session whose reads all see the majority-committed data at the time of the first read. This holds for
    /// collections under [`Policy::Snapshot`] only.
    pub async fn snapshot(&self) -> Result<ClientSession, mongodb::error::Error> {
        self.client.start_session().snapshot(true).await
    }

    /// The underlying database, for migrations.
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

/// Runs one operation within the deadline. `operation` gets the remaining time for `max_time`, so that the server stops
/// too. The wait is bounded here as well, since the driver has no socket time-out.
pub async fn bounded<T, O>(deadline: Deadline, operation: impl FnOnce(Duration) -> O) -> Result<T, Error>
where
    O: IntoFuture<Output = mongodb::error::Result<T>>,
{
    let left = deadline.remaining()?;
    Ok(deadline.bound(operation(left).into_future()).await??)
}
