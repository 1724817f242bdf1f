//! Stands in for the payment service: every charge is captured or refused, when it is let to, and an order once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use envelope::{Error, Reason};
use primitives::{OrderId, PaymentId};
use proto::payment::v1::charge_request::Method;
use proto::payment::v1::payment_service_server::{PaymentService, PaymentServiceServer};
use proto::payment::v1::{
    ChargeRequest, ChargeResponse, ListPaymentsRequest, ListPaymentsResponse, Payment, PaymentMethod, PaymentStatus,
    RefundRequest, RefundResponse, ResolvePaymentRequest, ResolvePaymentResponse,
};
use service::{OnFailure, Shell};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// What it was asked for. Cheap to clone; clones are one.
#[derive(Clone)]
pub(crate) struct FakePayment {
    state: Arc<Mutex<State>>,
    /// A charge ends once it gets a place here.
    pub(crate) gate: Arc<Semaphore>,
}

#[derive(Default)]
pub(crate) struct State {
    /// Every attempt to charge.
    pub(crate) charged: Vec<OrderId>,
    /// Whether charges are refused from now on.
    pub(crate) refuses: bool,
    /// Whether the provider of cards is away.
    pub(crate) takes_no_cards: bool,
    captured: HashMap<String, Payment>,
    pub(crate) refunded: Vec<OrderId>,
}

impl Default for FakePayment {
    fn default() -> Self {
        Self { state: Arc::default(), gate: Arc::new(Semaphore::new(1_000)) }
    }
}

impl FakePayment {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Serves on any free port and gives its address.
    pub(crate) async fn serve(&self, shell: &Shell) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let serving = Server::builder()
            .add_service(PaymentServiceServer::new(self.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        shell.tasks.spawn("payment", OnFailure::Log, serving);
        address
    }
}

fn captured(request: ChargeRequest) -> Payment {
    Payment {
        id: PaymentId::new().to_string(),
        order_id: request.order_id,
        method: PaymentMethod::Balance.into(),
        status: PaymentStatus::Captured.into(),
        amount: request.amount,
        created_at: Some(proto::from_timestamp(primitives::now())),
    }
}

#[tonic::async_trait]
impl PaymentService for FakePayment {
    async fn charge(&self, request: Request<ChargeRequest>) -> Result<Response<ChargeResponse>, Status> {
        let request = request.into_inner();
        if self.state().takes_no_cards && matches!(request.method, Some(Method::Card(_))) {
            return Err(service::grpc::reject(Error::unavailable("a test")));
        }
        self.state().charged.push(request.order_id.parse().unwrap());
        let _place = self.gate.acquire().await.unwrap();
        let mut state = self.state();
        if state.refuses {
            let refusal = Error::new(Reason::PaymentDeclined, "a test");
            return Err(service::grpc::reject(refusal));
        }
        let payment = state.captured.entry(request.order_id.clone()).or_insert_with(|| captured(request));
        Ok(Response::new(ChargeResponse { payment: Some(payment.clone()) }))
    }

    async fn refund(&self, request: Request<RefundRequest>) -> Result<Response<RefundResponse>, Status> {
        self.state().refunded.push(request.get_ref().order_id.parse().unwrap());
        Ok(Response::new(RefundResponse { payment: None }))
    }

    async fn resolve_payment(
        &self,
        request: Request<ResolvePaymentRequest>,
    ) -> Result<Response<ResolvePaymentResponse>, Status> {
        let payment = self.state().captured.get(&request.get_ref().order_id).cloned();
        Ok(Response::new(ResolvePaymentResponse { payment }))
    }

    async fn list_payments(&self, _: Request<ListPaymentsRequest>) -> Result<Response<ListPaymentsResponse>, Status> {
        Err(Status::unavailable("a test"))
    }
}
