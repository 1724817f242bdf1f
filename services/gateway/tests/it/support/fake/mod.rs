//! Fake services: they record requests and return the responses that a test sets.

mod reconciliation;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use proto::common::v1::Money;
use proto::inventory::v1::catalogue_service_server::{CatalogueService, CatalogueServiceServer};
use proto::inventory::v1::{self as inventory, Product};
use proto::order::v1::order_service_server::{OrderService, OrderServiceServer};
use proto::order::v1::{self as order, Order, OrderLine, Risk};
use proto::reconciliation::v1::reconciliation_service_server::ReconciliationServiceServer;
use proto::reconciliation::v1::statement_service_server::StatementServiceServer;
use proto::user::v1::session_service_server::{SessionService, SessionServiceServer};
use proto::user::v1::{self as user, TokenPair};
use service::{OnFailure, RequestContext, Shell};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

pub(crate) use reconciliation::RUN_ID;

/// A request that a service received.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) context: RequestContext,
    pub(crate) message: String,
}

/// The responses of the order service, and of the reconciliation service, which never replays responses.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Order { replay_of: Option<&'static str> },
    Fail(Status),
    Hang,
}

pub(crate) struct Fake {
    pub(crate) jwks: Mutex<Option<String>>,
    pub(crate) answer: Mutex<Answer>,
    pub(crate) products: Mutex<usize>,
    asked: Mutex<Vec<Asked>>,
    pub(crate) jwks_calls: Mutex<usize>,
}

impl Fake {
    pub(crate) fn new(jwks: String) -> Arc<Self> {
        Self::with_jwks(Some(jwks))
    }

    pub(crate) fn with_jwks(jwks: Option<String>) -> Arc<Self> {
        Arc::new(Self {
            jwks: Mutex::new(jwks),
            answer: Mutex::new(Answer::Order { replay_of: None }),
            products: Mutex::new(1),
            asked: Mutex::default(),
            jwks_calls: Mutex::new(0),
        })
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn record<T: std::fmt::Debug>(&self, request: Request<T>) {
        let context = RequestContext::from_request(&request);
        self.asked.lock().unwrap().push(Asked { context, message: format!("{:?}", request.into_inner()) });
    }

    async fn order(&self) -> Result<(Option<Order>, Option<&'static str>), Status> {
        let answer = self.answer.lock().unwrap().clone();
        match answer {
            Answer::Order { replay_of } => Ok((Some(an_order()), replay_of)),
            Answer::Fail(status) => Err(status),
            Answer::Hang => std::future::pending().await,
        }
    }

    /// This message, unless the test sets another response.
    async fn good_answer<T>(&self, message: T) -> Result<Response<T>, Status> {
        self.order().await.map(|_| Response::new(message))
    }
}

/// Serves all services on one port.
pub(crate) async fn serve(shell: &Shell, fake: Arc<Fake>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Server::builder()
        .add_service(SessionServiceServer::from_arc(Arc::clone(&fake)))
        .add_service(CatalogueServiceServer::from_arc(Arc::clone(&fake)))
        .add_service(OrderServiceServer::from_arc(Arc::clone(&fake)))
        .add_service(StatementServiceServer::from_arc(Arc::clone(&fake)))
        .add_service(ReconciliationServiceServer::from_arc(fake))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), shell.tasks.stop_signal().cancelled_owned());
    shell.tasks.spawn("fake", OnFailure::Log, serving);
    address
}

fn money(amount: i64) -> Option<Money> {
    Some(Money { amount, currency: "USD".into() })
}

fn time() -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: 1_767_323_045, nanos: 600_000_000 })
}

pub(crate) const ORDER_ID: &str = "0190b5a0-0000-7000-8000-000000000001";

fn an_order() -> Order {
    Order {
        id: ORDER_ID.into(),
        user_id: "0190b5a0-0000-7000-8000-000000000002".into(),
        status: order::OrderStatus::PendingPayment.into(),
        lines: vec![OrderLine { sku: "tea".into(), quantity: 2, unit_price: money(350), line_total: money(700) }],
        total: money(700),
        risk: Some(Risk { decision: order::RiskDecision::Accept.into(), source: order::RiskSource::LocalRules.into() }),
        version: 1,
        created_at: time(),
        expires_at: time(),
        ..Order::default()
    }
}

fn a_product(number: usize) -> Product {
    Product {
        sku: format!("tea-{number}"),
        name: "Tea".into(),
        description: None,
        category: "drinks".into(),
        price: money(350),
        version: 3,
        created_at: time(),
        updated_at: time(),
    }
}

fn tokens() -> TokenPair {
    TokenPair { access_token: "access".into(), refresh_token: "refresh".into(), expires_in: 900 }
}

#[tonic::async_trait]
impl SessionService for Fake {
    async fn create_session(
        &self,
        request: Request<user::CreateSessionRequest>,
    ) -> Result<Response<user::CreateSessionResponse>, Status> {
        self.record(request);
        self.good_answer(user::CreateSessionResponse { tokens: Some(tokens()) }).await
    }

    async fn refresh_session(
        &self,
        request: Request<user::RefreshSessionRequest>,
    ) -> Result<Response<user::RefreshSessionResponse>, Status> {
        self.record(request);
        self.good_answer(user::RefreshSessionResponse { tokens: Some(tokens()) }).await
    }

    async fn end_session(
        &self,
        request: Request<user::EndSessionRequest>,
    ) -> Result<Response<user::EndSessionResponse>, Status> {
        self.record(request);
        Ok(Response::new(user::EndSessionResponse {}))
    }

    async fn get_jwks(&self, _: Request<user::GetJwksRequest>) -> Result<Response<user::GetJwksResponse>, Status> {
        *self.jwks_calls.lock().unwrap() += 1;
        let jwks = self.jwks.lock().unwrap().clone();
        let jwks = jwks.ok_or_else(|| Status::unavailable("no keys"))?;
        Ok(Response::new(user::GetJwksResponse { jwks }))
    }
}

#[tonic::async_trait]
impl CatalogueService for Fake {
    async fn list_products(
        &self,
        request: Request<inventory::ListProductsRequest>,
    ) -> Result<Response<inventory::ListProductsResponse>, Status> {
        self.record(request);
        let products = (0..*self.products.lock().unwrap()).map(a_product).collect();
        self.good_answer(inventory::ListProductsResponse { products, next_page_token: String::new() }).await
    }

    async fn get_product(
        &self,
        request: Request<inventory::GetProductRequest>,
    ) -> Result<Response<inventory::GetProductResponse>, Status> {
        self.record(request);
        self.good_answer(inventory::GetProductResponse { product: Some(a_product(0)) }).await
    }

    async fn batch_get_products(
        &self,
        _: Request<inventory::BatchGetProductsRequest>,
    ) -> Result<Response<inventory::BatchGetProductsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    type WatchPricesStream = futures::stream::Empty<Result<inventory::WatchPricesResponse, Status>>;

    async fn watch_prices(
        &self,
        _: Request<inventory::WatchPricesRequest>,
    ) -> Result<Response<Self::WatchPricesStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn create_product(
        &self,
        request: Request<inventory::CreateProductRequest>,
    ) -> Result<Response<inventory::CreateProductResponse>, Status> {
        self.record(request);
        Ok(Response::new(inventory::CreateProductResponse { product: Some(a_product(0)) }))
    }

    async fn update_product(
        &self,
        request: Request<inventory::UpdateProductRequest>,
    ) -> Result<Response<inventory::UpdateProductResponse>, Status> {
        self.record(request);
        self.good_answer(inventory::UpdateProductResponse { product: Some(a_product(0)) }).await
    }

    async fn import_products(
        &self,
        _: Request<inventory::ImportProductsRequest>,
    ) -> Result<Response<inventory::ImportProductsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl OrderService for Fake {
    async fn place_order(
        &self,
        request: Request<order::PlaceOrderRequest>,
    ) -> Result<Response<order::PlaceOrderResponse>, Status> {
        self.record(request);
        let (order, replay_of) = self.order().await?;
        let mut response = Response::new(order::PlaceOrderResponse { order });
        if let Some(replay_of) = replay_of {
            response.metadata_mut().insert("x-idempotent-replay-of", replay_of.parse().unwrap());
        }
        Ok(response)
    }

    async fn get_order(
        &self,
        request: Request<order::GetOrderRequest>,
    ) -> Result<Response<order::GetOrderResponse>, Status> {
        self.record(request);
        let (order, _) = self.order().await?;
        Ok(Response::new(order::GetOrderResponse { order }))
    }

    async fn list_orders(
        &self,
        request: Request<order::ListOrdersRequest>,
    ) -> Result<Response<order::ListOrdersResponse>, Status> {
        self.record(request);
        Ok(Response::new(order::ListOrdersResponse { orders: vec![an_order()], next_page_token: "more".into() }))
    }

    async fn cancel_order(
        &self,
        request: Request<order::CancelOrderRequest>,
    ) -> Result<Response<order::CancelOrderResponse>, Status> {
        self.record(request);
        let (order, _) = self.order().await?;
        Ok(Response::new(order::CancelOrderResponse { order }))
    }

    async fn pay_order(
        &self,
        request: Request<order::PayOrderRequest>,
    ) -> Result<Response<order::PayOrderResponse>, Status> {
        self.record(request);
        self.order().await?;
        Err(Status::unimplemented(""))
    }

    async fn list_order_payments(
        &self,
        _: Request<order::ListOrderPaymentsRequest>,
    ) -> Result<Response<order::ListOrderPaymentsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
