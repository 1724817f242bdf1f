//! The payload of an event: one of the messages of `fournines.events.v1`.

use jiff::Timestamp;
use prost::Message as _;
use prost::bytes::Bytes;
use proto::events::v1::{AccountEvent, OrderEvent, PaymentEvent, StockEvent};

use crate::Topic;

/// A message of `fournines.events.v1`. Topic, key and time of an event follow from it.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// A change of an order.
    Order(OrderEvent),
    /// A change of a payment.
    Payment(PaymentEvent),
    /// An entry of an account.
    Account(AccountEvent),
    /// A movement of stock.
    Stock(StockEvent),
}

const ORDER: &str = "fournines.events.v1.OrderEvent";
const PAYMENT: &str = "fournines.events.v1.PaymentEvent";
const ACCOUNT: &str = "fournines.events.v1.AccountEvent";
const STOCK: &str = "fournines.events.v1.StockEvent";

/// Why a message is no event.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// The id is missing or invalid.
    #[error("the event has no valid id")]
    Id,
    /// The type is unknown to this version.
    #[error("the type {0:?} is not known")]
    Type(String),
    /// The bytes are not of the type.
    #[error("the payload can't be decoded")]
    Payload(#[from] prost::DecodeError),
    /// The time is missing or invalid.
    #[error("the payload has no valid time")]
    Time,
}

impl Payload {
    /// The topic of a kind; `None` for an unknown kind.
    pub(crate) fn topic_of(kind: &str) -> Option<Topic> {
        match kind {
            ORDER => Some(Topic::Orders),
            PAYMENT | ACCOUNT => Some(Topic::Payments),
            STOCK => Some(Topic::Stock),
            _ => None,
        }
    }

    /// The aggregate. Events of one key are published in order.
    pub fn key(&self) -> &str {
        match self {
            Self::Order(event) => &event.order_id,
            Self::Payment(event) => &event.payment_id,
            Self::Account(event) => &event.user_id,
            Self::Stock(event) => &event.sku,
        }
    }

    /// The full name of the message: the CloudEvents type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Order(_) => ORDER,
            Self::Payment(_) => PAYMENT,
            Self::Account(_) => ACCOUNT,
            Self::Stock(_) => STOCK,
        }
    }

    /// When it happened.
    pub fn occurred_at(&self) -> Result<Timestamp, Unreadable> {
        let at = match self {
            Self::Order(event) => event.occurred_at,
            Self::Payment(event) => event.occurred_at,
            Self::Account(event) => event.occurred_at,
            Self::Stock(event) => event.occurred_at,
        };
        proto::to_timestamp("occurred_at", at).map_err(|_| Unreadable::Time)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Order(event) => event.encode_to_vec(),
            Self::Payment(event) => event.encode_to_vec(),
            Self::Account(event) => event.encode_to_vec(),
            Self::Stock(event) => event.encode_to_vec(),
        }
    }

    /// Decodes a message of a kind, its full name.
    pub fn decode(kind: &str, bytes: &[u8]) -> Result<Self, Unreadable> {
        let bytes = Bytes::copy_from_slice(bytes);
        Ok(match kind {
            ORDER => Self::Order(OrderEvent::decode(bytes)?),
            PAYMENT => Self::Payment(PaymentEvent::decode(bytes)?),
            ACCOUNT => Self::Account(AccountEvent::decode(bytes)?),
            STOCK => Self::Stock(StockEvent::decode(bytes)?),
            other => return Err(Unreadable::Type(other.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_decoded_as_it_was_encoded() {
        let payloads = [
            Payload::Order(OrderEvent { order_id: "o".into(), version: 2, ..OrderEvent::default() }),
            Payload::Payment(PaymentEvent { payment_id: "p".into(), ..PaymentEvent::default() }),
            Payload::Account(AccountEvent { user_id: "u".into(), ..AccountEvent::default() }),
            Payload::Stock(StockEvent { sku: "s".into(), delta: -3, ..StockEvent::default() }),
        ];
        for payload in payloads {
            assert_eq!(Payload::decode(payload.kind(), &payload.encode()), Ok(payload));
        }
    }

    #[test]
    fn invalid_events_have_a_reason() {
        assert_eq!(Payload::decode("x", &[]), Err(Unreadable::Type("x".into())));
        assert!(matches!(Payload::decode(ORDER, &[0xff]), Err(Unreadable::Payload(_))));
        assert_eq!(Payload::Stock(StockEvent::default()).occurred_at(), Err(Unreadable::Time));
    }
}
