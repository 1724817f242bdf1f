//! The world of one test: its own database and service.

use std::net::SocketAddr;
use std::time::Duration;

use balancer::UpstreamConfig;
use futures::FutureExt as _;
use jiff::civil::Date;
use messaging::{ConsumerConfig, KafkaConfig};
use mongo::{Abort, Db, MongoConfig, Policy};
use mongodb::Collection;
use mongodb::bson::Document;
use primitives::{EventId, SessionId, UserId};
use proto::reconciliation::v1::statement_service_client::StatementServiceClient;
use reconciliation::domain::{LineKind, StatementLine};
use reconciliation::{Config, ReconciliationConfig, Statements, StatementsConfig, UpstreamsConfig};
use serde::Deserialize as _;
use serde::de::value::StringDeserializer;
use service::config::{AdminConfig, LogConfig, ServerConfig, TelemetryConfig};
use service::page::PageTokensConfig;
use service::{Caller, Deadline, OnFailure, RequestContext, Role, Shell};
use tempfile::NamedTempFile;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

/// The bound of every wait.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) statements: Statements,
    channel: Channel,
    shell: Shell,
    _page_key: NamedTempFile,
}

impl World {
    pub(crate) async fn start(test: &str) -> Self {
        let shell = Shell::without_admin();
        let page_key = NamedTempFile::new().unwrap();
        std::fs::write(page_key.path(), "k".repeat(32)).unwrap();
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let backing = devstack::testing::backing().await;
        let database = devstack::testing::database_name(test);
        let mut mongo = MongoConfig::new(backing.mongo_uri(), &database);
        mongo.min_pool_size = 0;
        let config = Config {
            server: ServerConfig { drain_timeout_ms: 0, ..ServerConfig::new(any_port) },
            admin: AdminConfig { listen: any_port },
            log: LogConfig::default(),
            telemetry: TelemetryConfig::default(),
            tls: None,
            mongo,
            page_tokens: PageTokensConfig { key_file: page_key.path().to_owned() },
            statements: StatementsConfig::default(),
            kafka: KafkaConfig { prefix: database, ..KafkaConfig::new(backing.broker()) },
            consumer: ConsumerConfig::default(),
            // No process listens there: these tests compare statements with their lines only.
            upstreams: UpstreamsConfig { order: nowhere(), inventory: nowhere(), payment: nowhere() },
            reconciliation: ReconciliationConfig::default(),
        };
        reconciliation::migrate(config.clone()).await.unwrap();
        let listener = shell.bind("grpc", any_port).await.unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let db = Db::connect(&config.mongo, &shell.tasks).await.unwrap();
        let serving = shell.clone();
        shell.tasks.spawn("reconciliation", OnFailure::Log, async move {
            reconciliation::serve(&serving, &config, listener).await
        });
        let statements = Statements::new(&db);
        Self { db, statements, channel: endpoint.connect_lazy(), shell, _page_key: page_key }
    }

    /// Applies lines in a transaction of their own, as the consumer does.
    pub(crate) async fn apply(&self, lines: Vec<StatementLine>) -> Result<(), mongo::TransactError<()>> {
        let statements = self.statements.clone();
        self.db
            .transact(deadline(), move |session| {
                let (statements, lines) = (statements.clone(), lines.clone());
                async move { Ok::<_, Abort<()>>(statements.apply(session, &lines).await?) }.boxed()
            })
            .await
    }

    pub(crate) fn collection(&self, name: &str) -> Collection<Document> {
        self.db.collection(Policy::Ledger, name)
    }

    pub(crate) fn client(&self) -> StatementServiceClient<Channel> {
        StatementServiceClient::new(self.channel.clone())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shell.stop();
    }
}

fn nowhere() -> UpstreamConfig {
    let uri = StringDeserializer::<serde::de::value::Error>::new("http://127.0.0.1:1".to_owned());
    UpstreamConfig::deserialize(uri).unwrap()
}

pub(crate) fn deadline() -> Deadline {
    Deadline::after(PATIENCE)
}

pub(crate) fn calling<T>(user: UserId, role: Role, message: T) -> Request<T> {
    let caller = Caller { user_id: user, role, session_id: SessionId::new() };
    let context = RequestContext { caller: Some(caller), ..RequestContext::internal(PATIENCE) };
    context.request(message).unwrap()
}

pub(crate) fn line(user: UserId, kind: LineKind, amount: i64, day: Date) -> StatementLine {
    let at = format!("{day}T12:00:00Z").parse().unwrap();
    StatementLine {
        id: EventId::new(),
        kind,
        user: Some(user),
        subject: "subject".into(),
        order: None,
        amount,
        pieces: 0,
        at,
    }
}

pub(crate) fn day(text: &str) -> Date {
    text.parse().unwrap()
}
