//! The events of payments and accounts in their published form.

use messaging::Payload;
use primitives::{Currency, Money};
use proto::events::v1::account_event::Cause;
use proto::events::v1::payment_event::Change;
use proto::events::v1::{
    AccountDeposit, AccountEvent, AccountPayment, AccountRefund, PaymentCaptured, PaymentDeclined, PaymentEvent,
    PaymentRefunded,
};
use proto::{from_money, from_timestamp};

use crate::domain::{Entry, EntryKind, Event, Outcome, Payment};

/// The event as it goes into the outbox.
pub(crate) fn render(event: &Event) -> messaging::Event {
    match event {
        Event::Payment { payment, outcome, at } => {
            messaging::Event::new(&Payload::Payment(payment_event(payment, *outcome, *at)), *at)
        }
        Event::Account { entry, currency } => {
            messaging::Event::new(&Payload::Account(account_event(entry, *currency)), entry.created_at)
        }
    }
}

fn payment_event(payment: &Payment, outcome: Outcome, at: jiff::Timestamp) -> PaymentEvent {
    let change = match outcome {
        Outcome::Captured => Change::Captured(PaymentCaptured {}),
        Outcome::Declined => Change::Declined(PaymentDeclined {}),
        Outcome::Refunded => Change::Refunded(PaymentRefunded {}),
    };
    PaymentEvent {
        payment_id: payment.id.to_string(),
        order_id: payment.order_id.to_string(),
        user_id: payment.user_id.to_string(),
        method: payment.method.name().to_owned(),
        amount: Some(from_money(payment.amount)),
        occurred_at: Some(from_timestamp(at)),
        change: Some(change),
    }
}

fn account_event(entry: &Entry, currency: Currency) -> AccountEvent {
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
    AccountEvent {
        entry_id: entry.id.to_string(),
        user_id: entry.owner.to_string(),
        sequence: entry.sequence,
        delta: money(entry.delta.get()),
        balance_after: money(entry.balance_after),
        occurred_at: Some(from_timestamp(entry.created_at)),
        cause: Some(cause),
    }
}
