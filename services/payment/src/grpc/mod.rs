//! Protobuf to domain and back.
//!
//! Only the order service calls `PaymentService`. It has checked the order's owner, and part of its work has no user
//! (expiring orders), so these calls require no caller. The network must keep others from this port. `AccountService`
//! checks the caller and the role itself.

mod audit;

use envelope::Error;
use idempotency::Answer;
use primitives::{IdempotencyKey, Money, ParseError};
use proto::payment::v1 as pb;
use proto::payment::v1::account_service_server::AccountService;
use proto::payment::v1::payment_service_server::PaymentService;
use service::RequestContext;
use service::grpc::reject;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use crate::app::{Accounts, Payments};
use crate::domain::{self, Balance, Means, Method, Order, Payment};

pub(crate) use audit::AuditGrpc;

/// Metadata of a replayed answer: the id of the request that first received it.
const REPLAY_OF: &str = "x-idempotent-replay-of";

/// The handlers of both services.
#[derive(Clone)]
pub(crate) struct Grpc {
    pub(crate) payments: Payments,
    pub(crate) accounts: Accounts,
}

impl Grpc {
    async fn charge(&self, request: Request<pb::ChargeRequest>) -> Result<Payment, Error> {
        let deadline = RequestContext::from_request(&request).deadline;
        let message = request.into_inner();
        let order = Order {
            id: parse("orderId", &message.order_id)?,
            owner: parse("userId", &message.user_id)?,
            amount: money(message.amount)?,
        };
        let means = match message.method {
            Some(pb::charge_request::Method::Balance(pb::BalanceMethod {})) => Means::Balance,
            Some(pb::charge_request::Method::Card(card)) => {
                Means::card(card.token).map_err(|error| invalid("token", &error))?
            }
            None => return Err(Error::invalid("method", "must be given")),
        };
        Ok(self.payments.charge(order, &means, deadline).await?)
    }

    async fn refund(&self, request: Request<pb::RefundRequest>) -> Result<Payment, Error> {
        let deadline = RequestContext::from_request(&request).deadline;
        Ok(self.payments.refund(parse("orderId", &request.into_inner().order_id)?, deadline).await?)
    }

    async fn resolve(&self, request: Request<pb::ResolvePaymentRequest>) -> Result<Option<Payment>, Error> {
        let deadline = RequestContext::from_request(&request).deadline;
        Ok(self.payments.resolve(parse("orderId", &request.into_inner().order_id)?, deadline).await?)
    }

    async fn list(&self, request: Request<pb::ListPaymentsRequest>) -> Result<Vec<Payment>, Error> {
        let deadline = RequestContext::from_request(&request).deadline;
        Ok(self.payments.list(parse("orderId", &request.into_inner().order_id)?, deadline).await?)
    }

    async fn deposit(&self, request: Request<pb::DepositRequest>) -> Result<Answer<Balance>, Error> {
        let context = RequestContext::from_request(&request);
        let admin = context.require_admin()?;
        let message = request.into_inner();
        let owner = parse("userId", &message.user_id)?;
        let amount = money(message.amount)?;
        let key: IdempotencyKey = parse("Idempotency-Key", &message.idempotency_key)?;
        let deposit = self.accounts.deposit(admin.user_id, owner, amount, &key, &context.request_id, context.deadline);
        Ok(deposit.await?)
    }

    async fn get_balance(&self, request: Request<pb::GetBalanceRequest>) -> Result<Balance, Error> {
        let context = RequestContext::from_request(&request);
        let caller = context.require_caller()?;
        Ok(self.accounts.balance(caller.user_id, context.deadline).await?)
    }
}

#[tonic::async_trait]
impl PaymentService for Grpc {
    async fn charge(&self, request: Request<pb::ChargeRequest>) -> Result<Response<pb::ChargeResponse>, Status> {
        let payment = Self::charge(self, request).await.map_err(reject)?;
        Ok(Response::new(pb::ChargeResponse { payment: Some(from_payment(&payment)) }))
    }

    async fn refund(&self, request: Request<pb::RefundRequest>) -> Result<Response<pb::RefundResponse>, Status> {
        let payment = Self::refund(self, request).await.map_err(reject)?;
        Ok(Response::new(pb::RefundResponse { payment: Some(from_payment(&payment)) }))
    }

    async fn resolve_payment(
        &self,
        request: Request<pb::ResolvePaymentRequest>,
    ) -> Result<Response<pb::ResolvePaymentResponse>, Status> {
        let payment = self.resolve(request).await.map_err(reject)?;
        Ok(Response::new(pb::ResolvePaymentResponse { payment: payment.as_ref().map(from_payment) }))
    }

    async fn list_payments(
        &self,
        request: Request<pb::ListPaymentsRequest>,
    ) -> Result<Response<pb::ListPaymentsResponse>, Status> {
        let payments = self.list(request).await.map_err(reject)?;
        Ok(Response::new(pb::ListPaymentsResponse { payments: payments.iter().map(from_payment).collect() }))
    }
}

#[tonic::async_trait]
impl AccountService for Grpc {
    async fn deposit(&self, request: Request<pb::DepositRequest>) -> Result<Response<pb::DepositResponse>, Status> {
        let answer = Self::deposit(self, request).await.map_err(reject)?;
        let mut response = Response::new(pb::DepositResponse { balance: Some(from_balance(&answer.value)) });
        if let Some(Ok(original)) = answer.replay_of.map(MetadataValue::try_from) {
            response.metadata_mut().insert(REPLAY_OF, original);
        }
        Ok(response)
    }

    async fn get_balance(
        &self,
        request: Request<pb::GetBalanceRequest>,
    ) -> Result<Response<pb::GetBalanceResponse>, Status> {
        let balance = Self::get_balance(self, request).await.map_err(reject)?;
        Ok(Response::new(pb::GetBalanceResponse { balance: Some(from_balance(&balance)) }))
    }
}

fn parse<T: std::str::FromStr<Err = ParseError>>(field: &'static str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|error| invalid(field, &error))
}

fn invalid(field: &'static str, error: &ParseError) -> Error {
    Error::invalid(field, error.to_string())
}

fn money(amount: Option<proto::common::v1::Money>) -> Result<Money, Error> {
    let amount = amount.ok_or_else(|| Error::invalid("amount", "must be given"))?;
    Ok(Money::new(amount.amount, parse("currency", &amount.currency)?))
}

fn from_payment(payment: &Payment) -> pb::Payment {
    let method = match payment.method {
        Method::Balance => pb::PaymentMethod::Balance,
        Method::Card => pb::PaymentMethod::Card,
    };
    let status = match payment.status {
        domain::Status::Pending => pb::PaymentStatus::Pending,
        // The money stays captured until the provider has given it back.
        domain::Status::Captured | domain::Status::Refunding => pb::PaymentStatus::Captured,
        domain::Status::Declined => pb::PaymentStatus::Declined,
        domain::Status::Refunded => pb::PaymentStatus::Refunded,
    };
    pb::Payment {
        id: payment.id.to_string(),
        order_id: payment.order_id.to_string(),
        method: method.into(),
        status: status.into(),
        amount: Some(proto::from_money(payment.amount)),
        created_at: Some(proto::from_timestamp(payment.created_at)),
    }
}

fn from_balance(balance: &Balance) -> pb::Balance {
    pb::Balance { balance: Some(proto::from_money(balance.money)), as_of: Some(proto::from_timestamp(balance.as_of)) }
}
