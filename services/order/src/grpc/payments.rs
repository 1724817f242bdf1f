//! The payment service: charges and refunds.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use balancer::{Ask, Upstream, UpstreamConfig};
use envelope::Error;
use primitives::OrderId;
use proto::payment::v1::payment_service_client::PaymentServiceClient;
use proto::payment::v1::{
    BalanceMethod, CardMethod, ChargeRequest, ListPaymentsRequest, RefundRequest, ResolvePaymentRequest, charge_request,
};
use resilience::Policy;
use service::{RequestContext, Shell};

use super::convert::to_payment;
use crate::domain::{Method, Order, Payment};

/// How long an attempt may take behind which a card provider may be, which takes its time; the deadline bounds it too.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(10);

/// The payment service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Payments {
    payment: Upstream,
    /// The same for calls behind which the card provider may be. Under a policy of their own: a provider that is away
    /// opens no breaker for payments from a balance.
    cards: Upstream,
}

/// Why an order was not charged, as far as anybody knows.
#[derive(Debug)]
pub(crate) struct Uncharged {
    pub(crate) error: Error,
    /// Whether it has certainly not been; else it may have been.
    pub(crate) is_certain: bool,
}

impl Payments {
    pub(crate) fn start(config: &UpstreamConfig, shell: &Shell) -> Self {
        let payment = Upstream::start("payment", config, shell);
        let cards = payment.under(Policy::new("payment-cards", &config.policy));
        Self { payment, cards }
    }

    /// Charges an order, once whatever happens.
    ///
    /// # Errors
    /// With whether the order is certainly not charged.
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
        // Attempts that may have reached the service, those that are given up included.
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
            // A refusal is the payment service's word; without an attempt that reached it, nothing can have happened.
            let is_certain = !error.is_server_fault() || arrived.load(Ordering::Relaxed) == 0;
            Uncharged { error, is_certain }
        })
    }

    /// Gives back what was paid for an order, once whatever happens.
    pub(crate) async fn refund(&self, context: &RequestContext, order_id: OrderId) -> Result<(), Error> {
        let message = RefundRequest { order_id: order_id.to_string() };
        let answered = self.cards.ask(context, message, patiently(), |channel, request| async move {
            PaymentServiceClient::new(channel).refund(request).await
        });
        answered.await.map(drop)
    }

    /// What has become of the payment of an order; `None` when it was never charged.
    pub(crate) async fn resolve(&self, context: &RequestContext, id: OrderId) -> Result<Option<Payment>, Error> {
        let message = ResolvePaymentRequest { order_id: id.to_string() };
        let answered = self.cards.ask(context, message, patiently(), |channel, request| async move {
            PaymentServiceClient::new(channel).resolve_payment(request).await
        });
        answered.await?.into_inner().payment.map(to_payment).transpose()
    }

    /// All attempts to pay an order, newest first.
    pub(crate) async fn list(&self, context: &RequestContext, id: OrderId) -> Result<Vec<Payment>, Error> {
        let message = ListPaymentsRequest { order_id: id.to_string() };
        let answered = self.payment.ask(context, message, Ask::read(), |channel, request| async move {
            PaymentServiceClient::new(channel).list_payments(request).await
        });
        answered.await?.into_inner().payments.into_iter().map(to_payment).collect()
    }
}

/// Each of these is done once whatever happens, so the same may be asked again.
fn patiently() -> Ask<'static> {
    Ask::idempotent().attempt_timeout(PROVIDER_TIMEOUT)
}

fn missing() -> Error {
    Error::internal("an answer without a payment")
}
