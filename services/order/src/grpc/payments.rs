//! The payment service: charges and refunds.

use envelope::Error;
use ids::OrderId;
use proto::payment::v1::payment_service_client::PaymentServiceClient;
use proto::payment::v1::{
    BalanceMethod, CardMethod, ChargeRequest, ListPaymentsRequest, RefundRequest, ResolvePaymentRequest,
    charge_request,
};
use service::{RequestContext, Upstream};

use super::convert::to_payment;
use crate::domain::{Method, Order, Payment};

/// The payment service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Payments {
    payment: Upstream,
}

impl Payments {
    pub(crate) fn new(payment: Upstream) -> Self {
        Self { payment }
    }

    /// Charges an order, once whatever happens.
    pub(crate) async fn charge(
        &self,
        context: &RequestContext,
        order: &Order,
        method: Method,
    ) -> Result<Payment, Error> {
        let method = match method {
            Method::Balance => charge_request::Method::Balance(BalanceMethod {}),
            Method::Card { token } => charge_request::Method::Card(CardMethod { token }),
        };
        let request = context.request(ChargeRequest {
            order_id: order.id.to_string(),
            user_id: order.user_id.to_string(),
            amount: Some(proto::from_money(order.total)),
            method: Some(method),
        })?;
        let response = self.client().charge(request).await.map_err(Error::from_status)?;
        to_payment(response.into_inner().payment.ok_or_else(missing)?)
    }

    /// Gives back what was paid for an order, once whatever happens.
    pub(crate) async fn refund(&self, context: &RequestContext, order_id: OrderId) -> Result<(), Error> {
        let request = context.request(RefundRequest { order_id: order_id.to_string() })?;
        self.client().refund(request).await.map_err(Error::from_status)?;
        Ok(())
    }

    /// What has become of the payment of an order; `None` when it was never charged.
    pub(crate) async fn resolve(
        &self,
        context: &RequestContext,
        id: OrderId,
    ) -> Result<Option<Payment>, Error> {
        let request = context.request(ResolvePaymentRequest { order_id: id.to_string() })?;
        let response = self.client().resolve_payment(request).await.map_err(Error::from_status)?;
        response.into_inner().payment.map(to_payment).transpose()
    }

    /// All attempts to pay an order, newest first.
    pub(crate) async fn list(&self, context: &RequestContext, id: OrderId) -> Result<Vec<Payment>, Error> {
        let request = context.request(ListPaymentsRequest { order_id: id.to_string() })?;
        let response = self.client().list_payments(request).await.map_err(Error::from_status)?;
        response.into_inner().payments.into_iter().map(to_payment).collect()
    }

    fn client(&self) -> PaymentServiceClient<tonic::transport::Channel> {
        PaymentServiceClient::new(self.payment.channel())
    }
}

fn missing() -> Error {
    Error::internal("an answer without a payment")
}
