//! The services behind the gateway.

use proto::inventory::v1::catalogue_service_client::CatalogueServiceClient;
use proto::inventory::v1::stock_service_client::StockServiceClient;
use proto::order::v1::order_service_client::OrderServiceClient;
use proto::payment::v1::account_service_client::AccountServiceClient;
use proto::reconciliation::v1::reconciliation_service_client::ReconciliationServiceClient;
use proto::reconciliation::v1::statement_service_client::StatementServiceClient;
use proto::user::v1::session_service_client::SessionServiceClient;
use proto::user::v1::user_service_client::UserServiceClient;
use service::Upstream;
use tonic::transport::Channel;

use crate::config::UpstreamsConfig;

/// Clients on the next replica of each service.
#[derive(Debug, Clone)]
pub(crate) struct Upstreams {
    user: Upstream,
    inventory: Upstream,
    order: Upstream,
    payment: Upstream,
    reconciliation: Upstream,
}

impl Upstreams {
    pub(crate) fn new(config: &UpstreamsConfig) -> Self {
        Self {
            user: Upstream::new(&config.user),
            inventory: Upstream::new(&config.inventory),
            order: Upstream::new(&config.order),
            payment: Upstream::new(&config.payment),
            reconciliation: Upstream::new(&config.reconciliation),
        }
    }

    pub(crate) fn users(&self) -> UserServiceClient<Channel> {
        UserServiceClient::new(self.user.channel())
    }

    pub(crate) fn sessions(&self) -> SessionServiceClient<Channel> {
        SessionServiceClient::new(self.user.channel())
    }

    pub(crate) fn catalogue(&self) -> CatalogueServiceClient<Channel> {
        CatalogueServiceClient::new(self.inventory.channel())
    }

    pub(crate) fn stock(&self) -> StockServiceClient<Channel> {
        StockServiceClient::new(self.inventory.channel())
    }

    pub(crate) fn orders(&self) -> OrderServiceClient<Channel> {
        OrderServiceClient::new(self.order.channel())
    }

    /// The replicas of the order service, for whoever chooses among them.
    pub(crate) fn order(&self) -> Upstream {
        self.order.clone()
    }

    pub(crate) fn accounts(&self) -> AccountServiceClient<Channel> {
        AccountServiceClient::new(self.payment.channel())
    }

    pub(crate) fn statements(&self) -> StatementServiceClient<Channel> {
        StatementServiceClient::new(self.reconciliation.channel())
    }

    pub(crate) fn reconciliations(&self) -> ReconciliationServiceClient<Channel> {
        ReconciliationServiceClient::new(self.reconciliation.channel())
    }
}
