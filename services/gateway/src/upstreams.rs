//! The outbound side: the clients of the services, every call that the gateway makes, and whether it may be retried.

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

/// The timeout of one attempt to pay, which may involve the card provider: half of the usual deadline, so that an
/// unresponsive replica leaves time for another.
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

/// The services, called in the context of one request.
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

    /// The services in this context.
    pub(crate) fn under(self: &Arc<Self>, context: RequestContext) -> Services {
        Services { upstreams: Arc::clone(self), context }
    }
}

/// Generates a method per call. It is made under its upstream's policy, each attempt at another replica.
macro_rules! calls {
    ($($upstream:ident: $client:ident {
        $($name:ident($($message:ident)::+) -> $($answer:ident)::+, $how:expr;)+
    })+) => {
        impl Services {
            $($(
                pub(crate) async fn $name(
                    &self,
                    message: $($message)::+,
                ) -> Result<Response<$($answer)::+>, Error> {
                    let send = |channel, request| async move { $client::new(channel).$name(request).await };
                    // Boxed: about 20 kB, which would otherwise be part of every enclosing future.
                    Box::pin(self.upstreams.$upstream.ask(&self.context, message, $how, send)).await
                }
            )+)+
        }
    };
}

// `read`: changes nothing, so it may be hedged. `idempotent`: may be retried regardless of the first attempt's outcome.
// `once`: retried only if the first attempt is known not to have started.
calls! {
    user: UserServiceClient {
        register_user(user::RegisterUserRequest) -> user::RegisterUserResponse, Ask::once();
        get_user(user::GetUserRequest) -> user::GetUserResponse, Ask::read();
        list_users(user::ListUsersRequest) -> user::ListUsersResponse, Ask::read();
        // A retry would conflict with the version that the first attempt created.
        update_user(user::UpdateUserRequest) -> user::UpdateUserResponse, Ask::once();
    }
    user: SessionServiceClient {
        // If the first attempt created a session, nobody holds its tokens, and it expires. A user whose login was
        // interrupted would do the same.
        create_session(user::CreateSessionRequest) -> user::CreateSessionResponse, Ask::idempotent();
        // Reuse of a refresh token is treated as theft, and ends all sessions of its family.
        refresh_session(user::RefreshSessionRequest) -> user::RefreshSessionResponse, Ask::once();
        // Ending an ended session has no effect.
        end_session(user::EndSessionRequest) -> user::EndSessionResponse, Ask::idempotent();
        get_jwks(user::GetJwksRequest) -> user::GetJwksResponse, Ask::read();
    }
    inventory: CatalogueServiceClient {
        get_product(inventory::GetProductRequest) -> inventory::GetProductResponse, Ask::read();
        list_products(inventory::ListProductsRequest) -> inventory::ListProductsResponse, Ask::read();
        // A retry would fail since the SKU already exists.
        create_product(inventory::CreateProductRequest) -> inventory::CreateProductResponse, Ask::once();
        update_product(inventory::UpdateProductRequest) -> inventory::UpdateProductResponse, Ask::once();
    }
    inventory: StockServiceClient {
        get_stock(inventory::GetStockRequest) -> inventory::GetStockResponse, Ask::read();
        adjust_stock(inventory::AdjustStockRequest) -> inventory::AdjustStockResponse, Ask::idempotent();
        list_stock_movements(inventory::ListStockMovementsRequest) -> inventory::ListStockMovementsResponse,
            Ask::read();
    }
    order: OrderServiceClient {
        get_order(order::GetOrderRequest) -> order::GetOrderResponse, Ask::read();
        list_orders(order::ListOrdersRequest) -> order::ListOrdersResponse, Ask::read();
        list_order_payments(order::ListOrderPaymentsRequest) -> order::ListOrderPaymentsResponse, Ask::read();
        // With an idempotency key: a retry waits for the first attempt, or takes over from it.
        cancel_order(order::CancelOrderRequest) -> order::CancelOrderResponse, Ask::fenced();
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
        // A retry might request a second run if the first one has started meanwhile.
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
    /// Places an order, at the replica to which `key` maps while it is healthy and has capacity. Safe to retry: by the
    /// idempotency key, the order is placed once.
    pub(crate) async fn place_order(
        &self,
        order: order::PlaceOrderRequest,
        key: Option<&str>,
    ) -> Result<Response<order::PlaceOrderResponse>, Error> {
        let how = key.into_iter().fold(Ask::fenced(), |how, key| how.key(key));
        let send = |channel, request| async move { OrderServiceClient::new(channel).place_order(request).await };
        Box::pin(self.upstreams.order.ask(&self.context, order, how, send)).await
    }
}
