//! Converts events to lines of statements.

use jiff::Timestamp;
use primitives::{Currency, EventId, Money, ParseError, Sku};
use proto::events::v1::account_event::Cause;
use proto::events::v1::order_event::Change as OrderChange;
use proto::events::v1::payment_event::Change as PaymentChange;
use proto::events::v1::{AccountEvent, OrderEvent, PaymentEvent, StockEvent};

use crate::domain::{LineKind, StatementLine};

/// Why an event can't become a line. Retrying does not help.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidEvent {
    /// A field is missing or has no valid value.
    #[error("{0} is missing or not valid")]
    Field(&'static str),
    /// An amount is in another currency than the shop's.
    #[error("the amount is in {}", .0.code())]
    Currency(Currency),
    /// A newer publisher has written a change that this version does not know.
    #[error("the change is of an unknown kind")]
    Unknown,
}

/// Reads events as lines in the shop's currency.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineReader {
    currency: Currency,
}

impl LineReader {
    /// For a shop with this currency.
    pub(crate) fn new(currency: Currency) -> Self {
        Self { currency }
    }

    /// The line of a change of an order.
    pub(crate) fn order(self, id: EventId, event: &OrderEvent) -> Result<StatementLine, InvalidEvent> {
        let kind = match event.change.as_ref().ok_or(InvalidEvent::Unknown)? {
            OrderChange::Placed(_) => LineKind::OrderPlaced,
            OrderChange::Paid(_) => LineKind::OrderPaid,
            OrderChange::Cancelled(_) => LineKind::OrderCancelled,
            OrderChange::Expired(_) => LineKind::OrderExpired,
        };
        let order: primitives::OrderId = parse("order_id", &event.order_id)?;
        Ok(StatementLine {
            id,
            kind,
            user: Some(parse("user_id", &event.user_id)?),
            subject: order.to_string(),
            order: Some(order),
            amount: self.amount("total", event.total.clone())?,
            pieces: 0,
            at: time(proto::to_timestamp("occurred_at", event.occurred_at))?,
        })
    }

    /// The line of a change of a payment.
    pub(crate) fn payment(self, id: EventId, event: &PaymentEvent) -> Result<StatementLine, InvalidEvent> {
        let kind = match event.change.as_ref().ok_or(InvalidEvent::Unknown)? {
            PaymentChange::Captured(_) => LineKind::PaymentCaptured,
            PaymentChange::Declined(_) => LineKind::PaymentDeclined,
            PaymentChange::Refunded(_) => LineKind::PaymentRefunded,
        };
        let payment: primitives::PaymentId = parse("payment_id", &event.payment_id)?;
        Ok(StatementLine {
            id,
            kind,
            user: Some(parse("user_id", &event.user_id)?),
            subject: payment.to_string(),
            order: Some(parse("order_id", &event.order_id)?),
            amount: self.amount("amount", event.amount.clone())?,
            pieces: 0,
            at: time(proto::to_timestamp("occurred_at", event.occurred_at))?,
        })
    }

    /// The line of an account's entry. Its amount has no sign; the direction follows from the kind.
    pub(crate) fn account(self, id: EventId, event: &AccountEvent) -> Result<StatementLine, InvalidEvent> {
        let delta = self.money("delta", event.delta.clone())?;
        let (kind, amount, order) = match event.cause.as_ref().ok_or(InvalidEvent::Unknown)? {
            Cause::Deposit(_) => (LineKind::AccountDeposit, Some(delta), None),
            Cause::Payment(payment) => (LineKind::AccountPayment, delta.checked_neg(), Some(&payment.order_id)),
            Cause::Refund(refund) => (LineKind::AccountRefund, Some(delta), Some(&refund.order_id)),
        };
        let entry: primitives::EntryId = parse("entry_id", &event.entry_id)?;
        Ok(StatementLine {
            id,
            kind,
            user: Some(parse("user_id", &event.user_id)?),
            subject: entry.to_string(),
            order: order.map(|order| parse("order_id", order)).transpose()?,
            amount: amount.filter(|amount| *amount >= 0).ok_or(InvalidEvent::Field("delta"))?,
            pieces: 0,
            at: time(proto::to_timestamp("occurred_at", event.occurred_at))?,
        })
    }

    /// The line of a movement of stock.
    pub(crate) fn stock(self, id: EventId, event: &StockEvent) -> Result<StatementLine, InvalidEvent> {
        let sku: Sku = parse("sku", &event.sku)?;
        Ok(StatementLine {
            id,
            kind: LineKind::StockMoved,
            user: None,
            subject: sku.as_str().to_owned(),
            order: None,
            amount: 0,
            pieces: event.delta,
            at: time(proto::to_timestamp("occurred_at", event.occurred_at))?,
        })
    }

    fn amount(self, field: &'static str, money: Option<proto::common::v1::Money>) -> Result<i64, InvalidEvent> {
        let amount = self.money(field, money)?;
        if amount < 0 { Err(InvalidEvent::Field(field)) } else { Ok(amount) }
    }

    fn money(self, field: &'static str, money: Option<proto::common::v1::Money>) -> Result<i64, InvalidEvent> {
        let money: Money = proto::to_money(field, money).map_err(|_| InvalidEvent::Field(field))?;
        if money.currency() == self.currency {
            Ok(money.amount())
        } else {
            Err(InvalidEvent::Currency(money.currency()))
        }
    }
}

fn parse<T: std::str::FromStr<Err = ParseError>>(field: &'static str, text: &str) -> Result<T, InvalidEvent> {
    text.parse().map_err(|_| InvalidEvent::Field(field))
}

fn time(at: Result<Timestamp, proto::ConvertError>) -> Result<Timestamp, InvalidEvent> {
    at.map_err(|_| InvalidEvent::Field("occurred_at"))
}

#[cfg(test)]
mod tests {
    use primitives::{EntryId, OrderId, UserId};
    use proto::events::v1::{AccountPayment, OrderPaid};

    use super::*;

    fn usd(amount: i64) -> Option<proto::common::v1::Money> {
        Some(proto::common::v1::Money { amount, currency: "USD".into() })
    }

    fn paid_order() -> OrderEvent {
        OrderEvent {
            order_id: OrderId::new().to_string(),
            user_id: UserId::new().to_string(),
            version: 2,
            occurred_at: Some(proto::from_timestamp("2026-11-24T12:00:00Z".parse().unwrap())),
            total: usd(500),
            change: Some(OrderChange::Paid(OrderPaid { payment_id: "p".into() })),
        }
    }

    #[test]
    fn a_change_of_an_order_becomes_a_line() {
        let (id, event) = (EventId::new(), paid_order());
        let line = LineReader::new(Currency::USD).order(id, &event).unwrap();
        assert_eq!((line.id, line.kind, line.amount), (id, LineKind::OrderPaid, 500));
        assert_eq!(line.subject, event.order_id);
        assert_eq!(line.day().to_string(), "2026-11-24");
    }

    #[test]
    fn an_invalid_event_is_refused_with_its_reason() {
        let reader = LineReader::new(Currency::USD);
        let refused = |event: OrderEvent| reader.order(EventId::new(), &event).unwrap_err();
        let euros = Some(proto::common::v1::Money { amount: 5, currency: "EUR".into() });
        assert!(matches!(refused(OrderEvent { total: euros, ..paid_order() }), InvalidEvent::Currency(_)));
        assert!(matches!(refused(OrderEvent { total: usd(-1), ..paid_order() }), InvalidEvent::Field("total")));
        assert!(matches!(refused(OrderEvent { change: None, ..paid_order() }), InvalidEvent::Unknown));
        assert!(matches!(
            refused(OrderEvent { occurred_at: None, ..paid_order() }),
            InvalidEvent::Field("occurred_at")
        ));
    }

    #[test]
    fn the_amount_of_an_account_payment_is_the_negated_delta() {
        let cause = Cause::Payment(AccountPayment {
            order_id: primitives::OrderId::new().to_string(),
            payment_id: String::new(),
        });
        let event = |delta| AccountEvent {
            entry_id: EntryId::new().to_string(),
            user_id: UserId::new().to_string(),
            sequence: 1,
            delta: usd(delta),
            balance_after: usd(0),
            occurred_at: Some(proto::from_timestamp("2026-11-24T12:00:00Z".parse().unwrap())),
            cause: Some(cause.clone()),
        };
        let reader = LineReader::new(Currency::USD);
        assert_eq!(reader.account(EventId::new(), &event(-300)).unwrap().amount, 300);
        assert!(reader.account(EventId::new(), &event(300)).is_err());
    }
}
