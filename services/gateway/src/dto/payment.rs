//! Payments of orders.

use envelope::Error;
use primitives::{IdempotencyKey, OrderId};
use proto::ConvertError;
use proto::order::v1::PayOrderRequest;
use proto::order::v1::pay_order_request::Method;
use proto::payment::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{OneOfBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::bounds::MAX_CARD_TOKEN;
use crate::dto::money::Money;
use crate::dto::text;
use crate::dto::time::Time;
use crate::input::Violations;
use crate::schema;
use crate::strict;

/// A payment of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payment {
    #[schema(schema_with = schema::uuid)]
    id: String,
    #[schema(schema_with = schema::uuid)]
    order_id: String,
    method: PaymentMethod,
    status: PaymentStatus,
    amount: Money,
    #[schema(schema_with = schema::time)]
    created_at: Time,
}

/// The method of a payment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PaymentMethod {
    Balance,
    Card,
}

/// The status of a payment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PaymentStatus {
    Captured,
    Declined,
    Pending,
    Refunded,
}

impl TryFrom<Option<wire::Payment>> for Payment {
    type Error = ConvertError;

    fn try_from(payment: Option<wire::Payment>) -> Result<Self, ConvertError> {
        payment.ok_or(ConvertError::Missing("payment"))?.try_into()
    }
}

impl TryFrom<wire::Payment> for Payment {
    type Error = ConvertError;

    fn try_from(payment: wire::Payment) -> Result<Self, ConvertError> {
        let method = match payment.method() {
            wire::PaymentMethod::Balance => PaymentMethod::Balance,
            wire::PaymentMethod::Card => PaymentMethod::Card,
            wire::PaymentMethod::Unspecified => return Err(ConvertError::Missing("method")),
        };
        let status = match payment.status() {
            wire::PaymentStatus::Pending => PaymentStatus::Pending,
            wire::PaymentStatus::Captured => PaymentStatus::Captured,
            wire::PaymentStatus::Declined => PaymentStatus::Declined,
            wire::PaymentStatus::Refunded => PaymentStatus::Refunded,
            wire::PaymentStatus::Unspecified => return Err(ConvertError::Missing("status")),
        };
        Ok(Self {
            id: payment.id,
            order_id: payment.order_id,
            method,
            status,
            amount: Money::of("amount", payment.amount)?,
            created_at: Time::of("created_at", payment.created_at)?,
        })
    }
}

/// A payment to make: from the balance, or by card with a token of the card provider.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PayOrder {
    method: String,
    #[serde(default, deserialize_with = "strict::present")]
    token: Option<String>,
}

impl PayOrder {
    pub(crate) fn check(self, order: OrderId, key: &IdempotencyKey) -> Result<PayOrderRequest, Error> {
        let mut wrong = Violations::default();
        let method = match (self.method.as_str(), self.token) {
            ("balance", None) => Some(Method::Balance(wire::BalanceMethod {})),
            ("card", Some(token)) => wrong
                .take("token", text::token(token, MAX_CARD_TOKEN))
                .map(|token| Method::Card(wire::CardMethod { token })),
            ("balance", Some(_)) => {
                wrong.add("token", "is allowed with the method card only");
                None
            }
            ("card", None) => {
                wrong.add("token", "is required with the method card");
                None
            }
            _ => {
                wrong.add("method", "must be balance or card");
                None
            }
        };
        wrong.finish()?;
        let (order_id, idempotency_key) = (order.to_string(), key.as_str().to_owned());
        Ok(PayOrderRequest { order_id, idempotency_key, method })
    }
}

impl ToSchema for PayOrder {}

impl PartialSchema for PayOrder {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .item(schema::closed_object([("method", schema::constant("balance"))]))
            .item(schema::closed_object([("method", schema::constant("card")), ("token", schema::card_token())]))
            .description(Some("A payment from the balance, or by card with a token of the card provider."))
            .into()
    }
}
