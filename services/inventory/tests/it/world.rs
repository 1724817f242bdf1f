//! The environment of one test: a database of its own, a replica of the service, and helpers to call it.

use std::io::Write as _;
use std::time::Duration;

use envelope::Reason;
use inventory::Config;
use primitives::{SessionId, UserId};
use proto::common::v1::Money;
use proto::inventory::v1::catalogue_service_client::CatalogueServiceClient;
use proto::inventory::v1::stock_service_client::StockServiceClient;
use proto::inventory::v1::{CreateProductRequest, GetStockRequest, NewProduct, Product};
use service::{Caller, OnFailure, RequestContext, Role, Shell};
use tempfile::NamedTempFile;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

/// The time limit of a call.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) catalogue: CatalogueServiceClient<Channel>,
    pub(crate) stock: StockServiceClient<Channel>,
    admin: Caller,
    shell: Shell,
    _page_key: NamedTempFile,
}

impl World {
    pub(crate) async fn start(test: &str) -> Self {
        let backing = devstack::testing::backing().await;
        let database = devstack::testing::database_name(test);
        let mut page_key = NamedTempFile::new().unwrap();
        page_key.write_all(&[b'k'; 32]).unwrap();
        let text = format!(
            r#"
            server = {{ listen = "127.0.0.1:0", drain_timeout_ms = 0 }}
            admin.listen = "127.0.0.1:0"
            mongo = {{ uri = "{}", database = "{database}", min_pool_size = 0 }}
            page_tokens.key_file = "{}"
            kafka = {{ brokers = "{}", prefix = "{database}" }}
            "#,
            backing.mongo_uri(),
            page_key.path().display(),
            backing.broker(),
        );
        let config: Config = toml::from_str(&text).unwrap();
        inventory::migrate(config.clone()).await.unwrap();
        let shell = Shell::without_admin();
        let listener = shell.bind("grpc", "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let channel = Endpoint::from_shared(address).unwrap().connect_lazy();
        let serving = shell.clone();
        let serve = async move { inventory::serve(&serving, &config, listener).await };
        shell.tasks.spawn("inventory", OnFailure::Log, serve);
        Self {
            catalogue: CatalogueServiceClient::new(channel.clone()),
            stock: StockServiceClient::new(channel),
            admin: Caller { user_id: UserId::new(), role: Role::Admin, session_id: SessionId::new() },
            shell,
            _page_key: page_key,
        }
    }

    /// A request of the administrator.
    pub(crate) fn admin<T>(&self, message: T) -> Request<T> {
        let context = RequestContext { caller: Some(self.admin), ..RequestContext::internal(PATIENCE) };
        context.request(message).unwrap()
    }

    pub(crate) async fn create(&mut self, sku: &str, name: &str, category: &str) -> Product {
        let request = self.admin(CreateProductRequest { product: Some(product(sku, name, category)) });
        self.catalogue.create_product(request).await.unwrap().into_inner().product.unwrap()
    }

    pub(crate) async fn available(&mut self, sku: &str) -> u64 {
        let request = anyone(GetStockRequest { sku: sku.to_owned() });
        self.stock.get_stock(request).await.unwrap().into_inner().available
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shell.stop();
        self.shell.tasks.stop_signal().cancel();
    }
}

/// A request without a caller.
pub(crate) fn anyone<T>(message: T) -> Request<T> {
    RequestContext::internal(PATIENCE).request(message).unwrap()
}

/// A product to be created, at 5 dollars.
pub(crate) fn product(sku: &str, name: &str, category: &str) -> NewProduct {
    NewProduct {
        sku: sku.to_owned(),
        name: name.to_owned(),
        description: None,
        category: category.to_owned(),
        price: Some(dollars(5)),
    }
}

pub(crate) fn dollars(amount: i64) -> Money {
    Money { amount: amount * 100, currency: "USD".to_owned() }
}

/// Why a call was refused.
pub(crate) fn reason<T: std::fmt::Debug>(answered: Result<Response<T>, Status>) -> Reason {
    envelope::Error::from_status(answered.unwrap_err()).reason()
}
