//! The payment service: charges and refunds.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use balancer::{Ask, Upstream, UpstreamConfig};
use envelope::Error;
use primitives::{OrderId, ParseError};
use proto::payment::v1::payment_service_client::PaymentServiceClient;
use proto::payment::v1::{
    BalanceMethod, CardMethod, ChargeRequest, ListPaymentsRequest, Payment as PaymentMessage, PaymentMethod,
    PaymentStatus as PaymentStatusMessage, RefundRequest, ResolvePaymentRequest, charge_request,
};
use resilience::Policy;
use service::{RequestContext, Shell};

use crate::domain::{Method, MethodName, Order, Payment, PaymentStatus};

/// The time-out of an attempt that may wait for a card provider; the deadline bounds it too.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(10);

/// The payment service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Payments {
    payment: Upstream,
    /// The same for calls that may wait for the card provider. They have a policy of their own, so that a provider that
    /// is down opens no breaker for payments from a balance.
    cards: Upstream,
}

/// A charge that failed, or whose outcome is unknown.
#[derive(Debug)]
pub(crate) struct Uncharged {
    pub(crate) error: Error,
    /// Whether the order has certainly not been charged; else it may have been.
    pub(crate) is_certain: bool,
}

impl Payments {
    pub(crate) fn start(config: &UpstreamConfig, shell: &Shell) -> Self {
        let payment = Upstream::start("payment", config, shell);
        let cards = payment.under(Policy::new("payment-cards", &config.policy));
        Self { payment, cards }
    }

    /// Charges an order, at most once.
    ///
    /// # Errors
    /// With whether the order has certainly not been charged.
    pub(crate) async fn charge(
        &self,
        context: &RequestContext,
        order: &Order,
        method: Method,
    ) -> Result<Payment, Uncharged> {
        let (method, upstream) = match method {
            Method::Balance => (charge_request::Method::Balance(BalanceMethod {}), &self.payment),
            Method::Card { token } => (charge_request::Method::Card(CardMethod { token }), &self.cards),
        };
        let message = ChargeRequest {
            order_id: order.id.to_string(),
            user_id: order.user_id.to_string(),
            amount: Some(proto::from_money(order.total)),
            method: Some(method),
        };
        // Attempts that may have reached the service, abandoned ones included.
        let arrived = &AtomicU32::new(0);
        let answered = upstream.ask(context, message, patiently(), |channel, request| async move {
            arrived.fetch_add(1, Ordering::Relaxed);
            let answer = PaymentServiceClient::new(channel).charge(request).await;
            if answer.as_ref().is_err_and(|status| envelope::was_never_sent(status)) {
                arrived.fetch_sub(1, Ordering::Relaxed);
            }
            answer
        });
        let payment = answered.await.and_then(|answer| to_payment(answer.into_inner().payment.ok_or_else(missing)?));
        payment.map_err(|error| {
            // The payment service has refused, or no attempt has reached it: nothing was charged.
            let is_certain = !error.is_server_fault() || arrived.load(Ordering::Relaxed) == 0;
            Uncharged { error, is_certain }
        })
    }

    /// Gives an order's captured payment back, at most once.
    pub(crate) async fn refund(&self, context: &RequestContext, order_id: OrderId) -> Result<(), Error> {
        let message = RefundRequest { order_id: order_id.to_string() };
        let answered = self.cards.ask(context, message, patiently(), |channel, request| async move {
            PaymentServiceClient::new(channel).refund(request).await
        });
        answered.await.map(drop)
    }

    /// The live payment of an order, resolved at the card provider when its outcome is unknown; `None` without one.
    pub(crate) async fn resolve(&self, context: &RequestContext, id: OrderId) -> Result<Option<Payment>, Error> {
        let message = ResolvePaymentRequest { order_id: id.to_string() };
        let answered = self.cards.ask(context, message, patiently(), |channel, request| async move {
            PaymentServiceClient::new(channel).resolve_payment(request).await
        });
        answered.await?.into_inner().payment.map(to_payment).transpose()
    }

    /// Lists the payments of an order, newest first.
    pub(crate) async fn list(&self, context: &RequestContext, id: OrderId) -> Result<Vec<Payment>, Error> {
        let message = ListPaymentsRequest { order_id: id.to_string() };
        let answered = self.payment.ask(context, message, Ask::read(), |channel, request| async move {
            PaymentServiceClient::new(channel).list_payments(request).await
        });
        answered.await?.into_inner().payments.into_iter().map(to_payment).collect()
    }
}

/// Each of these calls takes effect once, so it may be sent again.
fn patiently() -> Ask<'static> {
    Ask::idempotent().attempt_timeout(PROVIDER_TIMEOUT)
}

fn missing() -> Error {
    Error::internal("an answer without a payment")
}

/// Parses a payment; a message that is not one is an internal error.
fn to_payment(message: PaymentMessage) -> Result<Payment, Error> {
    let method = match message.method() {
        PaymentMethod::Balance => MethodName::Balance,
        PaymentMethod::Card => MethodName::Card,
        PaymentMethod::Unspecified => return Err(Error::internal("a payment without a method")),
    };
    let status = match message.status() {
        PaymentStatusMessage::Pending => PaymentStatus::Pending,
        PaymentStatusMessage::Captured => PaymentStatus::Captured,
        PaymentStatusMessage::Declined => PaymentStatus::Declined,
        PaymentStatusMessage::Refunded => PaymentStatus::Refunded,
        PaymentStatusMessage::Unspecified => return Err(Error::internal("a payment without a status")),
    };
    Ok(Payment {
        id: message.id.parse().map_err(invalid_id)?,
        order_id: message.order_id.parse().map_err(invalid_id)?,
        method,
        status,
        amount: proto::to_money("amount", message.amount).map_err(Error::internal)?,
        created_at: proto::to_timestamp("created_at", message.created_at).map_err(Error::internal)?,
    })
}

fn invalid_id(error: ParseError) -> Error {
    Error::internal(error)
}
