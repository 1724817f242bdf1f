//! What happened to payments and accounts, as it is told to others.

use jiff::Timestamp;
use messaging::{Event, Payload};
use primitives::{Currency, Money};
use proto::events::v1::account_event::Cause;
use proto::events::v1::payment_event::Change;
use proto::events::v1::{
    AccountDeposit, AccountEvent, AccountPayment, AccountRefund, PaymentCaptured, PaymentDeclined, PaymentEvent,
    PaymentRefunded,
};
use proto::{from_money, from_timestamp};

use crate::domain::{Entry, EntryKind, Payment, Status};

/// The step that has brought a payment to its status; `None` for one that is nobody else's business.
pub(crate) fn of_payment(payment: &Payment, at: Timestamp) -> Option<Event> {
    let change = match payment.status {
        Status::Captured => Change::Captured(PaymentCaptured {}),
        Status::Declined => Change::Declined(PaymentDeclined {}),
        Status::Refunded => Change::Refunded(PaymentRefunded {}),
        Status::Pending | Status::Refunding => return None,
    };
    let event = PaymentEvent {
        payment_id: payment.id.to_string(),
        order_id: payment.order_id.to_string(),
        user_id: payment.user_id.to_string(),
        method: payment.method.name().to_owned(),
        amount: Some(from_money(payment.amount)),
        occurred_at: Some(from_timestamp(at)),
        change: Some(change),
    };
    Some(Event::new(&Payload::Payment(event), at))
}

/// A new entry of an account.
pub(crate) fn of_entry(entry: &Entry, currency: Currency) -> Event {
    let money = |amount| Some(from_money(Money::new(amount, currency)));
    let cause = match entry.kind {
        EntryKind::Deposit => Cause::Deposit(AccountDeposit {}),
        EntryKind::Payment(order, payment) => {
            Cause::Payment(AccountPayment { order_id: order.to_string(), payment_id: payment.to_string() })
        }
        EntryKind::Refund(order, payment) => {
            Cause::Refund(AccountRefund { order_id: order.to_string(), payment_id: payment.to_string() })
        }
    };
    let event = AccountEvent {
        entry_id: entry.id.to_string(),
        user_id: entry.owner.to_string(),
        sequence: entry.sequence,
        delta: money(entry.delta.get()),
        balance_after: money(entry.balance_after),
        occurred_at: Some(from_timestamp(entry.created_at)),
        cause: Some(cause),
    };
    Event::new(&Payload::Account(event), entry.created_at)
}
