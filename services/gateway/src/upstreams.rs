//! The services behind the gateway: every call of theirs that it makes, and how each may be made again.

use std::sync::Arc;
use std::time::Duration;

use balancer::{Ask, Upstream};
use envelope::Error;
use proto::inventory::v1::catalogue_service_client::CatalogueServiceClient;
use proto::inventory::v1::stock_service_client::StockServiceClient;
use proto::order::v1::order_service_client::OrderServiceClient;
use proto::payment::v1::account_service_client::AccountServiceClient;
use proto::reconciliation::v1::reconciliation_service_client::ReconciliationServiceClient;
use proto::reconciliation::v1::statement_service_client::StatementServiceClient;
use proto::user::v1::session_service_client::SessionServiceClient;
use proto::user::v1::user_service_client::UserServiceClient;
use proto::{inventory::v1 as inventory, order::v1 as order, payment::v1 as payment};
use proto::{reconciliation::v1 as reconciliation, user::v1 as user};
use service::{RequestContext, Shell};
use tonic::Response;

use crate::config::UpstreamsConfig;

/// How long one attempt to pay may take, behind which a card provider may be: half of its usual deadline, so that a
/// replica that never answers leaves time for another.
const PAYMENT_TIMEOUT: Duration = Duration::from_secs(4);

/// The replicas of each service.
#[derive(Debug)]
pub(crate) struct Upstreams {
    user: Upstream,
    inventory: Upstream,
    order: Upstream,
    payment: Upstream,
    reconciliation: Upstream,
}

/// The services, as one request asks them.
#[derive(Debug)]
pub(crate) struct Services {
    upstreams: Arc<Upstreams>,
    context: RequestContext,
}

impl Upstreams {
    pub(crate) fn start(config: &UpstreamsConfig, shell: &Shell) -> Arc<Self> {
        Arc::new(Self {
            user: Upstream::start("user", &config.user, shell),
            inventory: Upstream::start("inventory", &config.inventory, shell),
            order: Upstream::start("order", &config.order, shell),
            payment: Upstream::start("payment", &config.payment, shell),
            reconciliation: Upstream::start("reconciliation", &config.reconciliation, shell),
        })
    }

    /// All of them, for what is done under this context.
    pub(crate) fn under(self: &Arc<Self>, context: RequestContext) -> Services {
        Services { upstreams: Arc::clone(self), context }
    }
}

/// Makes a method of each call: it is made under its upstream's policy, each attempt at another replica.
macro_rules! calls {
    ($($upstream:ident: $client:ident { $($name:ident($($message:ident)::+) -> $($answer:ident)::+, $how:expr;)+ })+) => {
        impl Services {
            $($(
                pub(crate) async fn $name(
                    &self,
                    message: $($message)::+,
                ) -> Result<Response<$($answer)::+>, Error> {
                    let send = |channel, request| async move { $client::new(channel).$name(request).await };
                    // Some 20 kB, which would otherwise be part of every future around it.
                    Box::pin(self.upstreams.$upstream.ask(&self.context, message, $how, send)).await
                }
            )+)+
        }
    };
}

// `read`: changes nothing, so it may even be asked of two replicas at once. `idempotent`: may be made again, whatever
// became of the first attempt. `once`: made again only when it is known not to have begun.
calls! {
    user: UserServiceClient {
        register_user(user::RegisterUserRequest) -> user::RegisterUserResponse, Ask::once();
        get_user(user::GetUserRequest) -> user::GetUserResponse, Ask::read();
        list_users(user::ListUsersRequest) -> user::ListUsersResponse, Ask::read();
        // A second attempt would meet the version that the first one made.
        update_user(user::UpdateUserRequest) -> user::UpdateUserResponse, Ask::once();
    }
    user: SessionServiceClient {
        // If the first attempt did begin a session, nobody ever holds its tokens, and it ends by itself. The user whose
        // login was cut off does the same by hand.
        create_session(user::CreateSessionRequest) -> user::CreateSessionResponse, Ask::idempotent();
        // A refresh token that is used twice is taken for stolen, and ends all sessions of its family.
        refresh_session(user::RefreshSessionRequest) -> user::RefreshSessionResponse, Ask::once();
        // A session that has ended stays so.
        end_session(user::EndSessionRequest) -> user::EndSessionResponse, Ask::idempotent();
        get_jwks(user::GetJwksRequest) -> user::GetJwksResponse, Ask::read();
    }
    inventory: CatalogueServiceClient {
        get_product(inventory::GetProductRequest) -> inventory::GetProductResponse, Ask::read();
        list_products(inventory::ListProductsRequest) -> inventory::ListProductsResponse, Ask::read();
        // A second attempt would find the SKU taken, and be told so.
        create_product(inventory::CreateProductRequest) -> inventory::CreateProductResponse, Ask::once();
        update_product(inventory::UpdateProductRequest) -> inventory::UpdateProductResponse, Ask::once();
    }
    inventory: StockServiceClient {
        get_stock(inventory::GetStockRequest) -> inventory::GetStockResponse, Ask::read();
        adjust_stock(inventory::AdjustStockRequest) -> inventory::AdjustStockResponse, Ask::idempotent();
        list_stock_movements(inventory::ListStockMovementsRequest) -> inventory::ListStockMovementsResponse, Ask::read();
    }
    order: OrderServiceClient {
        get_order(order::GetOrderRequest) -> order::GetOrderResponse, Ask::read();
        list_orders(order::ListOrdersRequest) -> order::ListOrdersResponse, Ask::read();
        list_order_payments(order::ListOrderPaymentsRequest) -> order::ListOrderPaymentsResponse, Ask::read();
        // With an idempotency key; a second attempt waits for the first one, or takes over from it.
        cancel_order(order::CancelOrderRequest) -> order::CancelOrderResponse, Ask::idempotent();
        pay_order(order::PayOrderRequest) -> order::PayOrderResponse,
            Ask::idempotent().attempt_timeout(PAYMENT_TIMEOUT);
    }
    payment: AccountServiceClient {
        get_balance(payment::GetBalanceRequest) -> payment::GetBalanceResponse, Ask::read();
        deposit(payment::DepositRequest) -> payment::DepositResponse, Ask::idempotent();
    }
    reconciliation: StatementServiceClient {
        list_statements(reconciliation::ListStatementsRequest) -> reconciliation::ListStatementsResponse, Ask::read();
    }
    reconciliation: ReconciliationServiceClient {
        // It might ask for a second run, when the first one has begun meanwhile.
        start_reconciliation(reconciliation::StartReconciliationRequest) -> reconciliation::StartReconciliationResponse,
            Ask::once();
        get_reconciliation(reconciliation::GetReconciliationRequest) -> reconciliation::GetReconciliationResponse,
            Ask::read();
        list_reconciliations(reconciliation::ListReconciliationsRequest) -> reconciliation::ListReconciliationsResponse,
            Ask::read();
        list_exceptions(reconciliation::ListExceptionsRequest) -> reconciliation::ListExceptionsResponse, Ask::read();
    }
}

impl Services {
    /// Places an order, at the replica that has the orders of `key` as long as it is fit and has room. A second attempt
    /// does no harm, whatever became of the first one: the idempotency key lets the order be placed once.
    pub(crate) async fn place_order(
        &self,
        order: order::PlaceOrderRequest,
        key: Option<&str>,
    ) -> Result<Response<order::PlaceOrderResponse>, Error> {
        let how = key.into_iter().fold(Ask::idempotent(), |how, key| how.key(key));
        let send = |channel, request| async move { OrderServiceClient::new(channel).place_order(request).await };
        Box::pin(self.upstreams.order.ask(&self.context, order, how, send)).await
    }
}
