//! The environment of one test: a database of its own, replicas of the service, and helpers to call them.

use std::net::SocketAddr;
use std::time::Duration;

use envelope::Error;
use futures::{FutureExt as _, TryStreamExt as _};
use messaging::{ConsumerConfig, Event, KafkaConfig, Outbox, OutboxConfig, Payload};
use mongo::{Abort, Db, MongoConfig, Policy};
use mongodb::bson::{Document, doc};
use primitives::{OrderId, SessionId, UserId};
use proto::common::v1::Money;
use proto::events::v1::order_event::Change;
use proto::events::v1::{OrderEvent, OrderPlaced, RiskReview};
use proto::risk::v1::risk_service_client::RiskServiceClient;
use proto::risk::v1::{AssessRequest, Assessment, GetAssessmentsRequest, GetRulesRequest, GetRulesResponse};
use risk::{Config, Rule, Rules, VelocityConfig, When};
use service::config::{AdminConfig, LogConfig, ServerConfig, TelemetryConfig};
use service::{Caller, Deadline, OnFailure, RequestContext, Role, Shell};
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

/// How long a test waits for a condition.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two checks of a condition.
const LOOK: Duration = Duration::from_millis(20);
/// The client's address of orders.
pub(crate) const ADDRESS: &str = "192.0.2.1";

pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) config: Config,
    outbox: Outbox,
    shell: Shell,
}

/// A process of the service.
pub(crate) struct Replica {
    pub(crate) client: RiskServiceClient<Channel>,
    shell: Shell,
}

impl World {
    pub(crate) async fn start(test: &str, rules: Rules) -> Self {
        let backing = devstack::testing::backing().await;
        let database = devstack::testing::database_name(test);
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut mongo = MongoConfig::new(backing.mongo_uri(), &database);
        mongo.min_pool_size = 0;
        let config = Config {
            server: ServerConfig { drain_timeout_ms: 0, ..ServerConfig::new(any_port) },
            admin: AdminConfig { listen: any_port },
            log: LogConfig::default(),
            telemetry: TelemetryConfig::default(),
            tls: None,
            mongo,
            rules,
            velocity: VelocityConfig { exchange_period_ms: 100, ..VelocityConfig::default() },
            kafka: KafkaConfig { prefix: database, ..KafkaConfig::new(backing.broker()) },
            consumer: ConsumerConfig::default(),
        };
        risk::migrate(config.clone()).await.unwrap();
        let shell = Shell::without_admin();
        let db = Db::connect(&config.mongo, &shell.tasks).await.unwrap();
        mongo::migration::migrate(&db, messaging::MIGRATIONS, soon()).await.unwrap();
        let outbox = Outbox::new(&db, "order", &OutboxConfig::default());
        outbox.relay(&config.kafka, &shell.tasks);
        Self { db, config, outbox, shell }
    }

    /// A replica that has read the rules.
    pub(crate) async fn replica(&self) -> Replica {
        let replica = Replica::start(&self.config).await;
        eventually("the rules are read", async || replica.rules(0).await.is_ok()).await;
        replica
    }

    /// Publishes the event of a placed order, as the order service does.
    pub(crate) async fn publish(&self, order: &AssessRequest, review: bool) -> OrderId {
        let at = primitives::now();
        let risk_review =
            review.then(|| RiskReview { attempt: order.attempt.clone(), client_address: order.client_address.clone() });
        let event = OrderEvent {
            order_id: order.order_id.clone(),
            user_id: order.user_id.clone(),
            version: 1,
            occurred_at: Some(proto::from_timestamp(at)),
            total: order.total.clone(),
            change: Some(Change::Placed(OrderPlaced { risk_review, ..OrderPlaced::default() })),
        };
        let event = Event::new(&Payload::Order(event), at);
        let outbox = self.outbox.clone();
        let written = self.db.transact(soon(), move |session| {
            let (outbox, event) = (outbox.clone(), event.clone());
            async move { Ok::<_, Abort<()>>(outbox.write(session, [event]).await?) }.boxed()
        });
        written.await.unwrap();
        order.order_id.parse().unwrap()
    }

    /// Publishes all events again.
    pub(crate) async fn publish_again(&self) {
        let entries = self.db.collection::<Document>(Policy::Ledger, "outbox");
        entries.update_many(doc! {}, doc! { "$set": { "unsent": true } }).await.unwrap();
    }

    pub(crate) async fn all(&self, collection: &str, filter: Document) -> Vec<Document> {
        let documents = self.db.collection::<Document>(Policy::Ledger, collection);
        documents.find(filter).await.unwrap().try_collect().await.unwrap()
    }

    pub(crate) async fn count(&self, collection: &str, filter: Document) -> u64 {
        self.db.collection::<Document>(Policy::Ledger, collection).count_documents(filter).await.unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shell.stop();
        self.shell.tasks.stop_signal().cancel();
    }
}

impl Replica {
    pub(crate) async fn start(config: &Config) -> Self {
        let shell = Shell::without_admin();
        let listener = shell.bind("grpc", config.server.listen).await.unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let (serving, config) = (shell.clone(), config.clone());
        shell.tasks.spawn("risk", OnFailure::Log, async move { risk::serve(&serving, &config, listener).await });
        Self { client: RiskServiceClient::new(endpoint.connect_lazy()), shell }
    }

    pub(crate) async fn assess(&self, order: &AssessRequest) -> Result<Assessment, Error> {
        let answered = self.client.clone().assess(calling(None, order.clone())).await;
        Ok(answered.map_err(Error::from_status)?.into_inner().assessment.unwrap())
    }

    pub(crate) async fn reviews(&self, orders: &[OrderId]) -> Vec<Assessment> {
        let message = GetAssessmentsRequest { order_ids: orders.iter().map(OrderId::to_string).collect() };
        self.client.clone().get_assessments(calling(None, message)).await.unwrap().into_inner().assessments
    }

    pub(crate) async fn rules(&self, known_version: u64) -> Result<GetRulesResponse, Error> {
        let answered = self.client.clone().get_rules(calling(None, GetRulesRequest { known_version })).await;
        Ok(answered.map_err(Error::from_status)?.into_inner())
    }

    /// Stops it gracefully.
    pub(crate) async fn stop(self) {
        let shell = self.shell.clone();
        shell.finish().await.unwrap();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.shell.stop();
        self.shell.tasks.stop_signal().cancel();
    }
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(PATIENCE)
}

pub(crate) fn calling<T>(role: Option<Role>, message: T) -> Request<T> {
    let caller = role.map(|role| Caller { user_id: UserId::new(), role, session_id: SessionId::new() });
    RequestContext { caller, ..RequestContext::internal(PATIENCE) }.request(message).unwrap()
}

/// A new order of a user; the total is in cents.
pub(crate) fn order(user: UserId, total: i64) -> AssessRequest {
    let order_id = OrderId::new();
    AssessRequest {
        order_id: order_id.to_string(),
        user_id: user.to_string(),
        attempt: order_id.as_uuid().as_bytes().to_vec(),
        total: Some(Money { amount: total, currency: "USD".into() }),
        client_address: ADDRESS.to_owned(),
    }
}

/// Rules of which each alone refuses an order.
pub(crate) fn rules(list: &[When]) -> Rules {
    Rules::new(100, list.iter().map(|when| Rule { points: 100, when: *when }).collect()).unwrap()
}

pub(crate) async fn eventually(condition: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let deadline = soon();
    while !is_true().await {
        assert!(deadline.bound(tokio::time::sleep(LOOK)).await.is_ok(), "timed out waiting until {condition}");
    }
}
