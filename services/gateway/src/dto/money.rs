//! Amounts in JSON: minor units and an ISO 4217 currency code.

use primitives::Currency;
use proto::ConvertError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bounds::MAX_AMOUNT;
use crate::dto::time::Time;
use crate::input::Violations;
use crate::schema;
use crate::strict;

/// An amount of money in minor units of its currency, such as cents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Money {
    amount: i64,
    #[schema(schema_with = schema::currency)]
    currency: &'static str,
}

impl Money {
    pub(super) fn of(field: &'static str, money: Option<proto::common::v1::Money>) -> Result<Self, ConvertError> {
        let money = proto::to_money(field, money)?;
        Ok(Self { amount: money.amount(), currency: money.currency().code() })
    }
}

/// An amount of money in minor units of its currency, such as cents: 1 to 10^12.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PositiveMoney {
    #[serde(deserialize_with = "strict::integer")]
    #[schema(schema_with = schema::amount)]
    amount: i64,
    #[schema(schema_with = schema::currency)]
    currency: String,
}

impl PositiveMoney {
    /// Checks the amount; `within` is the path of the object in the body.
    pub(crate) fn check(&self, within: &str, wrong: &mut Violations) -> Option<primitives::Money> {
        let field = |name: &str| if within.is_empty() { name.to_owned() } else { format!("{within}.{name}") };
        if !(1..=MAX_AMOUNT).contains(&self.amount) {
            wrong.add(field("amount"), format!("must be 1 to {MAX_AMOUNT} minor units"));
        }
        let currency: Currency = wrong.take(field("currency"), self.currency.parse())?;
        Some(primitives::Money::new(self.amount, currency))
    }
}

/// The balance of an account, in minor units of its currency.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Balance {
    amount: i64,
    #[schema(schema_with = schema::currency)]
    currency: &'static str,
    #[schema(schema_with = schema::time)]
    as_of: Time,
}

impl TryFrom<Option<proto::payment::v1::Balance>> for Balance {
    type Error = ConvertError;

    fn try_from(balance: Option<proto::payment::v1::Balance>) -> Result<Self, ConvertError> {
        let balance = balance.ok_or(ConvertError::Missing("balance"))?;
        let Money { amount, currency } = Money::of("balance", balance.balance)?;
        Ok(Self { amount, currency, as_of: Time::of("as_of", balance.as_of)? })
    }
}
