//! Conversions between the shared protobuf types and the types of `primitives` and `jiff`.

use jiff::Timestamp;
use primitives::{Currency, Money};

/// A message that a correct peer never sends.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// A required field is missing.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// A field has an invalid value.
    #[error("the field {field} is not valid: {reason}")]
    Invalid {
        /// The field's name in the message.
        field: &'static str,
        /// Why it is invalid.
        reason: String,
    },
}

/// An amount as a message.
pub fn from_money(money: Money) -> crate::common::v1::Money {
    crate::common::v1::Money { amount: money.amount(), currency: money.currency().code().to_owned() }
}

/// The amount in a message; `field` names it in the error.
pub fn to_money(field: &'static str, money: Option<crate::common::v1::Money>) -> Result<Money, ConvertError> {
    let money = money.ok_or(ConvertError::Missing(field))?;
    let currency: Currency = money
        .currency
        .parse()
        .map_err(|error: primitives::ParseError| ConvertError::Invalid { field, reason: error.to_string() })?;
    Ok(Money::new(money.amount, currency))
}

/// The cluster time of a cut: its seconds and the increment within the second. `field` names it in the error.
pub fn to_cut(field: &'static str, cut: Option<crate::common::v1::Cut>) -> Result<(u32, u32), ConvertError> {
    let cut = cut.ok_or(ConvertError::Missing(field))?;
    Ok((cut.seconds, cut.increment))
}

/// A time as a message.
pub fn from_timestamp(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}

/// The time in a message; `field` names it in the error.
pub fn to_timestamp(field: &'static str, time: Option<prost_types::Timestamp>) -> Result<Timestamp, ConvertError> {
    let time = time.ok_or(ConvertError::Missing(field))?;
    Timestamp::new(time.seconds, time.nanos).map_err(|error| ConvertError::Invalid { field, reason: error.to_string() })
}
