//! Protobuf to domain and back.
//!
//! `PaymentService` is called by the order service alone, which has checked whose order it is; part of its work has
//! no user behind it (expiring orders), so its calls ask for no caller. The network must keep others from this port.
//! `AccountService` asks for the caller and the role itself.

mod audit;

use envelope::Error;
use idempotency::Answer;
use primitives::{IdempotencyKey, Money, ParseError};
use proto::payment::v1 as pb;
use proto::payment::v1::account_service_server::AccountService;
use proto::payment::v1::payment_service_server::PaymentService;
use secrecy::SecretString;
use service::RequestContext;
use service::grpc::reject;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use crate::app::{Accounts, Means, Payments};
use crate::domain::{self, Balance, Method, Order, Payment};

pub(crate) use audit::AuditGrpc;

/// The request whose answer is given again.
const REPLAY_OF: &str = "x-idempotent-replay-of";
/// The longest card token, in bytes.
const MAX_TOKEN: usize = 255;

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
            Some(pb::charge_request::Method::Card(card)) => Means::Card(token(card.token)?),
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
    text.parse().map_err(|error: ParseError| Error::invalid(field, error.to_string()))
}

fn money(amount: Option<proto::common::v1::Money>) -> Result<Money, Error> {
    let amount = amount.ok_or_else(|| Error::invalid("amount", "must be given"))?;
    Ok(Money::new(amount.amount, parse("currency", &amount.currency)?))
}

/// The text of a token is never in an error.
fn token(text: String) -> Result<SecretString, Error> {
    if (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.into())
    } else {
        Err(Error::invalid("token", "must be 1 to 255 visible ASCII characters"))
    }
}

fn from_payment(payment: &Payment) -> pb::Payment {
    let method = match payment.method {
        Method::Balance => pb::PaymentMethod::Balance,
        Method::Card => pb::PaymentMethod::Card,
    };
    let status = match payment.status {
        domain::Status::Pending => pb::PaymentStatus::Pending,
        // The money is still ours until the provider has given it back.
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
