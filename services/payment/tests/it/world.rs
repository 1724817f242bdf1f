//! The environment of one test: a database, a sandbox and the service, with helpers that call them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use envelope::{Error, Reason};
use futures::TryStreamExt as _;
use messaging::{KafkaConfig, OutboxConfig};
use mongo::{Db, MongoConfig, Policy};
use mongodb::Collection;
use mongodb::bson::{Bson, Document, doc};
use payment::{AccountsConfig, CardConfig, Config, ResolverConfig};
use primitives::{OrderId, SessionId, UserId};
use proto::common::v1::Money;
use proto::payment::v1::account_service_client::AccountServiceClient;
use proto::payment::v1::payment_service_client::PaymentServiceClient;
use proto::payment::v1::{self as pb, charge_request};
use service::config::{AdminConfig, LogConfig, ServerConfig, TelemetryConfig};
use service::{Caller, Deadline, OnFailure, RequestContext, Role, Shell};
use tempfile::NamedTempFile;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

use crate::sandbox::{API_KEY, Sandbox};

/// How long a test waits for a condition.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) config: Config,
    pub(crate) db: Db,
    pub(crate) admin: UserId,
    channel: Channel,
    shell: Shell,
    _api_key: NamedTempFile,
}

impl World {
    /// The resolver's first look comes later than the end of any test, so only requests act.
    pub(crate) async fn start(test: &str) -> Self {
        Self::start_with(test, |_| {}).await
    }

    pub(crate) async fn start_with(test: &str, adapt: impl FnOnce(&mut Config)) -> Self {
        let shell = Shell::without_admin();
        let api_key = NamedTempFile::new().unwrap();
        std::fs::write(api_key.path(), API_KEY).unwrap();
        let sandbox = Sandbox::start(&shell, api_key.path()).await;
        let mut config = config(test, &sandbox.url, api_key.path()).await;
        adapt(&mut config);
        payment::migrate(config.clone()).await.unwrap();
        let channel = serve(&shell, &config).await;
        let db = Db::connect(&config.mongo, &shell.tasks).await.unwrap();
        Self { sandbox, config, db, admin: UserId::new(), channel, shell, _api_key: api_key }
    }

    pub(crate) fn payments(&self) -> PaymentServiceClient<Channel> {
        PaymentServiceClient::new(self.channel.clone())
    }

    pub(crate) fn accounts(&self) -> AccountServiceClient<Channel> {
        AccountServiceClient::new(self.channel.clone())
    }

    pub(crate) async fn charge(
        &self,
        order: OrderId,
        user: UserId,
        amount: i64,
        method: charge_request::Method,
    ) -> Result<pb::Payment, Error> {
        let message = pb::ChargeRequest {
            order_id: order.to_string(),
            user_id: user.to_string(),
            amount: Some(usd(amount)),
            method: Some(method),
        };
        let answer = self.payments().charge(internal(message)).await;
        answer.map(|response| response.into_inner().payment.unwrap()).map_err(Error::from_status)
    }

    pub(crate) async fn refund(&self, order: OrderId) -> Result<pb::Payment, Error> {
        let message = pb::RefundRequest { order_id: order.to_string() };
        let answer = self.payments().refund(internal(message)).await;
        answer.map(|response| response.into_inner().payment.unwrap()).map_err(Error::from_status)
    }

    pub(crate) async fn resolve(&self, order: OrderId) -> Option<pb::Payment> {
        let message = pb::ResolvePaymentRequest { order_id: order.to_string() };
        self.payments().resolve_payment(internal(message)).await.unwrap().into_inner().payment
    }

    pub(crate) async fn list(&self, order: OrderId) -> Vec<pb::Payment> {
        let message = pb::ListPaymentsRequest { order_id: order.to_string() };
        self.payments().list_payments(internal(message)).await.unwrap().into_inner().payments
    }

    pub(crate) async fn deposit(
        &self,
        caller: Option<Caller>,
        user: &str,
        amount: Money,
        key: &str,
    ) -> Result<Response<pb::DepositResponse>, Error> {
        let message =
            pb::DepositRequest { user_id: user.to_owned(), amount: Some(amount), idempotency_key: key.to_owned() };
        self.accounts().deposit(from(caller, message)).await.map_err(Error::from_status)
    }

    /// A user with that balance.
    pub(crate) async fn user_with(&self, amount: i64) -> UserId {
        let user = UserId::new();
        let key = format!("open-{user}");
        self.deposit(Some(admin(self.admin)), &user.to_string(), usd(amount), &key).await.unwrap();
        user
    }

    pub(crate) async fn balance(&self, user: UserId) -> i64 {
        let request = from(Some(customer(user)), pb::GetBalanceRequest {});
        let response = self.accounts().get_balance(request).await.unwrap().into_inner();
        response.balance.unwrap().balance.unwrap().amount
    }

    /// The stored status of an order's newest payment.
    pub(crate) async fn stored_status(&self, order: OrderId) -> String {
        let filter = doc! { "orderId": mongo::to_bson_uuid(order.as_uuid()) };
        let payment = self.documents("payments").find_one(filter).sort(doc! { "_id": -1 }).await.unwrap();
        payment.unwrap().get_str("status").unwrap().to_owned()
    }

    pub(crate) async fn wait_for_status(&self, order: OrderId, status: &str) {
        let deadline = Deadline::after(PATIENCE);
        while self.stored_status(order).await != status {
            let wait = deadline.bound(tokio::time::sleep(Duration::from_millis(20))).await;
            assert!(wait.is_ok(), "the payment is {} and not {status}", self.stored_status(order).await);
        }
    }

    pub(crate) fn documents(&self, collection: &str) -> Collection<Document> {
        self.db.collection(Policy::Ledger, collection)
    }

    pub(crate) async fn all(&self, collection: &str) -> Vec<Document> {
        self.documents(collection).find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap().try_collect().await.unwrap()
    }

    /// Ends a test: the books must balance, and no card may have been charged twice.
    pub(crate) async fn finish(self) {
        self.check_accounts().await;
        self.check_payments().await;
        self.shell.stop();
    }

    async fn check_accounts(&self) {
        let mut ledgers: HashMap<Bson, Vec<Document>> = HashMap::new();
        for entry in self.all("account_entries").await {
            ledgers.entry(entry.get("accountId").unwrap().clone()).or_default().push(entry);
        }
        let accounts = self.all("accounts").await;
        assert_eq!(accounts.len(), ledgers.len(), "an account without entries, or entries without an account");
        for account in accounts {
            let mut entries = ledgers.remove(account.get("_id").unwrap()).unwrap();
            entries.sort_by_key(|entry| entry.get_i64("sequence").unwrap());
            let mut sum = 0;
            for (number, entry) in (1_i64..).zip(&entries) {
                sum += entry.get_i64("delta").unwrap();
                assert_eq!(entry.get_i64("sequence").unwrap(), number);
                assert_eq!(entry.get_i64("balanceAfter").unwrap(), sum);
                assert!(sum >= 0, "an account was overdrawn");
            }
            assert_eq!(account.get_i64("balance").unwrap(), sum);
            assert_eq!(account.get_i64("version").unwrap(), i64::try_from(entries.len()).unwrap());
        }
    }

    async fn check_payments(&self) {
        let mut live_orders = std::collections::HashSet::new();
        for payment in self.all("payments").await {
            assert!(!payment.to_string().contains("tok_"), "a card token was stored");
            let status = payment.get_str("status").unwrap();
            assert!(status == "declined" || live_orders.insert(payment.get("orderId").unwrap().to_string()));
            if payment.get_str("method").unwrap() == "card" {
                let id = mongodb::bson::deserialize_from_bson(payment.get("_id").unwrap().clone()).unwrap();
                let captures = self.sandbox.captures(&mongo::from_bson_uuid(id).to_string()).await;
                assert!(captures <= 1, "a card was charged {captures} times");
                assert!(captures == 1 || matches!(status, "pending" | "declined"), "{status} but never captured");
                assert!(captures == 0 || status != "declined", "captured but declined");
            }
        }
    }
}

async fn config(test: &str, provider_url: &str, api_key_file: &Path) -> Config {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let uri = devstack::testing::backing().await.mongo_uri();
    let database = devstack::testing::database_name(test);
    let mut mongo = MongoConfig::new(uri, &database);
    mongo.min_pool_size = 0;
    Config {
        server: ServerConfig { drain_timeout_ms: 0, ..ServerConfig::new(any_port) },
        admin: AdminConfig { listen: any_port },
        log: LogConfig::default(),
        telemetry: TelemetryConfig::default(),
        tls: None,
        mongo,
        accounts: AccountsConfig::default(),
        card: CardConfig {
            provider_url: provider_url.to_owned(),
            api_key_file: api_key_file.to_owned(),
            timeout_ms: 1_000,
        },
        resolver: ResolverConfig { period_ms: 50, first_look_ms: 600_000, grace_ms: 60_000 },
        outbox: OutboxConfig::default(),
        kafka: KafkaConfig { prefix: database, ..KafkaConfig::new(devstack::testing::backing().await.broker()) },
    }
}

/// Serves on a free port and returns a channel to it.
pub(crate) async fn serve(shell: &Shell, config: &Config) -> Channel {
    let listener = shell.bind("grpc", config.server.listen).await.unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let (serving, config) = (shell.clone(), config.clone());
    shell.tasks.spawn("payment", OnFailure::Log, async move { payment::serve(&serving, &config, listener).await });
    endpoint.connect_lazy()
}

pub(crate) fn usd(amount: i64) -> Money {
    Money { amount, currency: "USD".into() }
}

pub(crate) fn balance() -> charge_request::Method {
    charge_request::Method::Balance(pb::BalanceMethod {})
}

pub(crate) fn card(token: &str) -> charge_request::Method {
    charge_request::Method::Card(pb::CardMethod { token: token.into() })
}

pub(crate) fn admin(user_id: UserId) -> Caller {
    Caller { user_id, role: Role::Admin, session_id: SessionId::new() }
}

pub(crate) fn customer(user_id: UserId) -> Caller {
    Caller { user_id, role: Role::Customer, session_id: SessionId::new() }
}

/// A call without a user, as the order service makes them in the background.
pub(crate) fn internal<T>(message: T) -> tonic::Request<T> {
    from(None, message)
}

pub(crate) fn from<T>(caller: Option<Caller>, message: T) -> tonic::Request<T> {
    let context = RequestContext { caller, ..RequestContext::internal(Duration::from_secs(10)) };
    context.request(message).unwrap()
}

/// The statuses of payments.
pub(crate) fn statuses(payments: &[pb::Payment]) -> Vec<pb::PaymentStatus> {
    payments.iter().map(pb::Payment::status).collect()
}

pub(crate) fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> Reason {
    result.expect_err("the call should be refused").reason()
}

/// The fields that an error names.
pub(crate) fn fields(error: &Error) -> Vec<&str> {
    let mut fields = Vec::new();
    for detail in error.details() {
        if let envelope::Detail::Field { field, .. } = detail {
            fields.push(field.as_str());
        }
    }
    fields
}

pub(crate) fn is_reason(status: Status, reason: Reason) -> bool {
    Error::from_status(status).reason() == reason
}
