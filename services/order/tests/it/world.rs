//! One test's own world: a database with stock in it, replicas of the service on it, and what the tests ask of them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use envelope::{Error, Reason};
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryStreamExt as _};
use messaging::{KafkaConfig, OutboxConfig};
use metrics::LocalRecorderGuard;
use mongo::{Db, MongoConfig, Policy, to_bson_uuid};
use mongodb::bson::{Document, doc};
use order::{Config, LanesConfig, OrdersConfig, UpstreamsConfig};
use primitives::{OrderId, SessionId, Sku, UserId};
use proto::order::v1::order_service_client::OrderServiceClient;
use proto::order::v1::pay_order_request::Method;
use proto::order::v1::{
    CancelOrderRequest, OrderStatus, PayOrderRequest, PlaceOrderRequest, RequestedLine, RiskSource,
};
use proto::payment::v1::{BalanceMethod, CardMethod};
use service::config::{AdminConfig, LogConfig, ServerConfig, TelemetryConfig};
use service::page::PageTokensConfig;
use service::{Caller, Deadline, OnFailure, RequestContext, Role, Shell};
use stock::{Ledger, Posting};
use tempfile::NamedTempFile;
use tokio::sync::oneshot;
use tonic::Response;
use tonic::transport::{Channel, Endpoint};

use crate::meters::Meters;
use crate::payment_service::FakePayment;
use crate::prices;
use crate::risk_service::FakeRisk;

/// How long a test waits for something to become true.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The time of a request; ample, so that a busy machine fails no test.
pub(crate) const BUDGET: Duration = Duration::from_secs(20);
/// The pause between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(10);

pub(crate) struct World {
    /// The database's name; also the application's name, by which fail points single the replicas out.
    pub(crate) database: String,
    /// A connection that fail points leave alone.
    pub(crate) db: Db,
    pub(crate) ledger: Ledger,
    pub(crate) meters: &'static Meters,
    pub(crate) risk: FakeRisk,
    pub(crate) payment: FakePayment,
    replicas: Vec<Channel>,
    user: UserId,
    initial: HashMap<String, u32>,
    shell: Shell,
    _page_key: NamedTempFile,
    _metered: LocalRecorderGuard<'static>,
}

/// A customer at one replica. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Buyer {
    client: OrderServiceClient<Channel>,
    user: UserId,
    budget: Duration,
    /// The id of every request; each has its own if there is none.
    request_id: Option<String>,
    /// Whether an earlier attempt of each request may have been sent.
    is_retry: bool,
}

/// What a customer was told of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) id: OrderId,
    pub(crate) status: OrderStatus,
    /// Who decided about its risk.
    pub(crate) source: RiskSource,
    /// When it expires, in ms since 1970.
    pub(crate) expires_at_ms: i64,
    /// The id that the request carried.
    pub(crate) request_id: String,
    /// The request that was given this answer first, when it is given again.
    pub(crate) replay_of: Option<String>,
}

/// A connection with options of its own.
pub(crate) async fn connect(database: &str, options: &str) -> Db {
    Db::connect(&mongo_config(database, options).await, &Shell::without_admin().tasks).await.unwrap()
}

async fn mongo_config(database: &str, options: &str) -> MongoConfig {
    let uri = devstack::testing::backing().await.mongo_uri();
    let mut config = MongoConfig::new(format!("{uri}{options}"), database);
    config.min_pool_size = 0;
    config
}

impl World {
    /// Replicas that share a database with so many pieces of each SKU.
    pub(crate) async fn start(test: &str, replicas: usize, stock: &[(&str, u32)]) -> Self {
        Self::start_with(test, replicas, stock, |_| {}).await
    }

    pub(crate) async fn start_with(
        test: &str,
        replicas: usize,
        stock: &[(&str, u32)],
        adapt: impl FnOnce(&mut Config),
    ) -> Self {
        let (meters, metered) = Meters::install();
        let shell = Shell::without_admin();
        let database = devstack::testing::database_name(test);
        let page_key = NamedTempFile::new().unwrap();
        std::fs::write(page_key.path(), "k".repeat(32)).unwrap();
        let (risk, payment) = (FakeRisk::default(), FakePayment::default());
        let mut config = Config {
            server: ServerConfig { drain_timeout_ms: 0, ..ServerConfig::new(any_port()) },
            admin: AdminConfig { listen: any_port() },
            log: LogConfig::default(),
            telemetry: TelemetryConfig::default(),
            tls: None,
            mongo: mongo_config(&database, &format!("&appName={database}")).await,
            page_tokens: PageTokensConfig { key_file: page_key.path().to_owned() },
            upstreams: upstreams([
                ("inventory", prices::serve(&shell).await),
                ("payment", payment.serve(&shell).await),
                ("risk", risk.serve(&shell).await),
            ]),
            orders: OrdersConfig::default(),
            lanes: LanesConfig::default(),
            outbox: OutboxConfig::default(),
            kafka: KafkaConfig {
                prefix: database.clone(),
                ..KafkaConfig::new(devstack::testing::backing().await.broker())
            },
        };
        adapt(&mut config);
        let db = connect(&database, "").await;
        prepare(&db, &config, stock).await;
        let mut channels = Vec::new();
        for _ in 0..replicas {
            channels.push(serve(&shell, &config).await);
        }
        Self {
            database,
            ledger: Ledger::new(&db),
            db,
            meters,
            risk,
            payment,
            replicas: channels,
            user: UserId::new(),
            initial: stock.iter().map(|(sku, pieces)| ((*sku).to_owned(), *pieces)).collect(),
            shell,
            _page_key: page_key,
            _metered: metered,
        }
    }

    /// The customer, at one of the replicas.
    pub(crate) fn buyer(&self, replica: usize) -> Buyer {
        let client = OrderServiceClient::new(self.replicas[replica].clone());
        Buyer { client, user: self.user, budget: BUDGET, request_id: None, is_retry: false }
    }

    /// Begins something that goes on by itself.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> BoxFuture<'static, T> {
        let (done, outcome) = oneshot::channel();
        self.shell.tasks.spawn("begun", OnFailure::Log, async move {
            drop(done.send(work.await));
            Ok::<_, Infallible>(())
        });
        async move { outcome.await.unwrap() }.boxed()
    }

    /// Begins an order and waits until it has lined up behind `before` others.
    pub(crate) async fn line_up(
        &self,
        before: u32,
        order: impl Future<Output = Result<Told, Error>> + Send + 'static,
    ) -> BoxFuture<'static, Result<Told, Error>> {
        let outcome = self.begin(order);
        self.until("it is lined up", async || self.waiting() == f64::from(before + 1)).await;
        outcome
    }

    /// How many orders wait in the lanes; of one replica when there is only one.
    pub(crate) fn waiting(&self) -> f64 {
        self.meters.gauge("order_lanes_waiting")
    }

    pub(crate) fn batches(&self) -> u64 {
        self.meters.counter("order_lanes_batches_total")
    }

    pub(crate) fn ended_batches(&self) -> u64 {
        self.meters.counter("order_lanes_batch_seconds")
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let deadline = Deadline::after(PATIENCE);
        while !is_so().await {
            assert!(deadline.bound(tokio::time::sleep(LOOK)).await.is_ok(), "waited in vain until {what}");
        }
    }

    pub(crate) async fn available(&self, sku: &str) -> u64 {
        let available = self.ledger.available(&sku.parse().unwrap(), Deadline::after(PATIENCE)).await;
        available.unwrap().unwrap()
    }

    /// Changes the stock as another process does.
    pub(crate) async fn adjust(&self, sku: &str, delta: i64) {
        let movement = stock::Movement {
            id: primitives::MovementId::new(),
            sku: sku.parse().unwrap(),
            delta: delta.try_into().unwrap(),
            reason: stock::Reason::adjustment("a test").unwrap(),
            order_id: None,
            created_at: primitives::now(),
        };
        let (ledger, posting) = (self.ledger.clone(), Posting::from(movement));
        let posted = self.db.transact::<_, Infallible, _>(Deadline::after(PATIENCE), move |session| {
            let (ledger, posting) = (ledger.clone(), posting.clone());
            async move { Ok(ledger.post(session, &posting).await?.is_some()) }.boxed()
        });
        assert!(posted.await.unwrap());
    }

    pub(crate) async fn all(&self, collection: &str, filter: Document) -> Vec<Document> {
        let documents = self.db.collection::<Document>(Policy::Ledger, collection);
        documents.find(filter).await.unwrap().try_collect().await.unwrap()
    }

    pub(crate) async fn count(&self, collection: &str, filter: Document) -> u64 {
        let documents = self.db.collection::<Document>(Policy::Ledger, collection);
        documents.count_documents(filter).await.unwrap()
    }

    /// Each key has placed exactly the order that its customer was told of.
    pub(crate) async fn assert_placed_once<'a>(&self, told: impl IntoIterator<Item = (&'a str, &'a Told)>) {
        for (key, told) in told {
            let orders = self.all("orders", doc! { "idempotencyKey": key }).await;
            let ids: Vec<_> = orders.iter().map(|order| order.get("_id").unwrap()).collect();
            assert_eq!(ids, [&to_bson_uuid(told.id.as_uuid()).into()], "{key}");
        }
    }

    /// Ends a test: the books must be right to the piece.
    pub(crate) async fn finish(self) {
        for (sku, initial) in &self.initial {
            let live = doc! { "status": { "$in": ["pending_payment", "paid"] }, "lines.sku": sku };
            let orders = self.all("orders", live).await;
            let lines = orders.iter().flat_map(|order| order.get_array("lines").unwrap());
            let lines = lines.map(|line| line.as_document().unwrap());
            let sold: i64 = lines
                .filter(|line| line.get_str("sku").unwrap() == sku)
                .map(|line| i64::from(line.get_i32("quantity").unwrap()))
                .sum();
            let adjusted = self.all("stock_movements", doc! { "sku": sku, "reason": "adjustment: a test" });
            let adjusted: i64 = adjusted.await.iter().map(|movement| movement.get_i64("delta").unwrap()).sum();
            let left = i64::try_from(self.available(sku).await).unwrap();
            assert_eq!(left, i64::from(*initial) + adjusted - sold, "{sku}");
        }
        let report = verify::verify(self.db.database()).await.unwrap();
        assert!(report.is_clean(), "{report}");
        self.shell.stop();
    }
}

impl Buyer {
    /// The same with another time for each request.
    pub(crate) fn within(&self, budget: Duration) -> Self {
        Self { budget, ..self.clone() }
    }

    /// The same as an agent that sends one request, and may send it once more.
    pub(crate) fn with_one_request(&self) -> Self {
        Self { request_id: Some(self.context().request_id), ..self.clone() }
    }

    /// The same as an agent that knows that its request may have been sent before.
    pub(crate) fn retrying(&self) -> Self {
        Self { is_retry: true, ..self.clone() }
    }

    /// The same with the request of another.
    pub(crate) fn with_request_of(&self, other: &Self) -> Self {
        Self { request_id: other.request_id.clone(), ..self.clone() }
    }

    pub(crate) async fn place(&self, key: &str, lines: &[(&str, u32)]) -> Result<Told, Error> {
        let line = |(sku, quantity): &(&str, u32)| RequestedLine { sku: (*sku).to_owned(), quantity: *quantity };
        let lines = lines.iter().map(line).collect();
        let context = self.context();
        let request = context.request(PlaceOrderRequest { lines, idempotency_key: key.to_owned() })?;
        let response = self.client.clone().place_order(request).await.map_err(Error::from_status)?;
        Ok(told(context, response, |answer| answer.order))
    }

    /// Sends the order again, with the same key, until it is answered with an order.
    pub(crate) async fn place_surely(&self, key: &str, lines: &[(&str, u32)]) -> Told {
        surely(|| self.place(key, lines)).await
    }

    pub(crate) async fn cancel(&self, key: &str, id: OrderId) -> Result<Told, Error> {
        let context = self.context();
        let message = CancelOrderRequest { order_id: id.to_string(), idempotency_key: key.to_owned() };
        let request = context.request(message)?;
        let response = self.client.clone().cancel_order(request).await.map_err(Error::from_status)?;
        Ok(told(context, response, |answer| answer.order))
    }

    /// Sends the cancellation again, with the same key, until it is answered with an order.
    pub(crate) async fn cancel_surely(&self, key: &str, id: OrderId) -> Told {
        surely(|| self.cancel(key, id)).await
    }

    /// Pays from the balance.
    pub(crate) async fn pay(&self, key: &str, id: OrderId) -> Result<(), Error> {
        self.pay_by(Method::Balance(BalanceMethod {}), key, id).await
    }

    pub(crate) async fn pay_by_card(&self, key: &str, id: OrderId) -> Result<(), Error> {
        self.pay_by(Method::Card(CardMethod { token: "tok_test".to_owned() }), key, id).await
    }

    async fn pay_by(&self, method: Method, key: &str, id: OrderId) -> Result<(), Error> {
        let (order_id, idempotency_key) = (id.to_string(), key.to_owned());
        let message = PayOrderRequest { order_id, idempotency_key, method: Some(method) };
        let request = self.context().request(message)?;
        self.client.clone().pay_order(request).await.map(drop).map_err(Error::from_status)
    }

    fn context(&self) -> RequestContext {
        let caller = Caller { user_id: self.user, role: Role::Customer, session_id: SessionId::new() };
        let context = RequestContext { caller: Some(caller), ..RequestContext::internal(self.budget) };
        let request_id = self.request_id.clone().unwrap_or(context.request_id);
        RequestContext { request_id, has_earlier_attempt: self.is_retry, ..context }
    }
}

/// Whether a client may send the same again.
pub(crate) fn passes(error: &Error) -> bool {
    use Reason::{DeadlineExceeded, IdempotencyInFlight, Overloaded, Unavailable};
    matches!(error.reason(), Unavailable | Overloaded | DeadlineExceeded | IdempotencyInFlight)
}

/// Tries again what a client may try again.
async fn surely(request: impl AsyncFn() -> Result<Told, Error>) -> Told {
    let deadline = Deadline::after(PATIENCE);
    loop {
        let error = match request().await {
            Ok(told) => return told,
            Err(error) => error,
        };
        assert!(passes(&error), "{error:?}");
        assert!(deadline.bound(tokio::time::sleep(LOOK)).await.is_ok(), "tried in vain: {error:?}");
    }
}

fn told<M>(
    context: RequestContext,
    response: Response<M>,
    order: impl FnOnce(M) -> Option<proto::order::v1::Order>,
) -> Told {
    let replay_of = response.metadata().get(service::grpc::REPLAY_OF);
    let replay_of = replay_of.map(|id| id.to_str().unwrap().to_owned());
    let order = order(response.into_inner()).unwrap();
    let expires_at = proto::to_timestamp("expires_at", order.expires_at).unwrap();
    Told {
        id: order.id.parse().unwrap(),
        status: order.status(),
        source: order.risk.unwrap_or_default().source(),
        expires_at_ms: expires_at.as_millisecond(),
        request_id: context.request_id,
        replay_of,
    }
}

/// The schema of order and stock, the collections of payment that the check of the books reads, and the stock.
async fn prepare(db: &Db, config: &Config, stock: &[(&str, u32)]) {
    let soon = Deadline::after(PATIENCE);
    order::migrate(config.clone()).await.unwrap();
    mongo::migration::migrate(db, stock::MIGRATIONS, soon).await.unwrap();
    for others in ["accounts", "account_entries", "payments"] {
        db.database().create_collection(others).await.unwrap();
    }
    let ledger = Ledger::new(db);
    let initial: Vec<(Sku, u32)> = stock.iter().map(|(sku, pieces)| (sku.parse().unwrap(), *pieces)).collect();
    let opened = db.transact(soon, move |session| {
        let (ledger, initial) = (ledger.clone(), initial.clone());
        async move { ledger.open::<Infallible>(session, &initial, primitives::now()).await.map(drop) }.boxed()
    });
    opened.await.unwrap();
}

/// Serves on any free port and gives a channel to it.
async fn serve(shell: &Shell, config: &Config) -> Channel {
    let listener = shell.bind("grpc", config.server.listen).await.unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let (serving, config) = (shell.clone(), config.clone());
    shell.tasks.spawn("order", OnFailure::Log, async move { order::serve(&serving, &config, listener).await });
    endpoint.connect_lazy()
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn upstreams(addresses: [(&str, String); 3]) -> UpstreamsConfig {
    toml::Table::from_iter(addresses.map(|(name, url)| (name.to_owned(), url.into()))).try_into().unwrap()
}

pub(crate) fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> Reason {
    result.expect_err("it should have been refused").reason()
}
