//! Conversions between messages and the domain.

use envelope::Error;
use primitives::{Quantity, Sku};
use proto::order::v1::{
    Order as OrderMessage, OrderLine, OrderStatus, RequestedLine, Risk as RiskMessage, RiskDecision,
    RiskSource as RiskSourceMessage, pay_order_request,
};
use proto::payment::v1::{Payment as PaymentMessage, PaymentMethod, PaymentStatus as PaymentStatusMessage};

use crate::domain::{Line, Lines, Method, MethodName, Order, Payment, PaymentStatus, RiskSource, Status};

/// The most lines of an order.
const MAX_LINES: usize = 100;

/// The lines of a new order; two of one SKU are summed.
pub(super) fn to_lines(messages: Vec<RequestedLine>) -> Result<Lines, Error> {
    if !(1..=MAX_LINES).contains(&messages.len()) {
        return Err(Error::invalid("lines", format!("must be 1 to {MAX_LINES}")));
    }
    let mut lines = Lines::new();
    for (at, message) in messages.into_iter().enumerate() {
        let wrong =
            |field, error: primitives::ParseError| Error::invalid(format!("lines[{at}].{field}"), error.to_string());
        let sku: Sku = message.sku.parse().map_err(|error| wrong("sku", error))?;
        let quantity = Quantity::try_from(message.quantity).map_err(|error| wrong("quantity", error))?;
        let sum = match lines.get(&sku) {
            Some(earlier) => earlier.checked_add(quantity).ok_or_else(|| {
                let rule = format!("all lines of a SKU together must be at most {}", Quantity::MAX);
                Error::invalid(format!("lines[{at}].quantity"), rule)
            })?,
            None => quantity,
        };
        lines.insert(sku, sum);
    }
    Ok(lines)
}

pub(super) fn from_order(order: Order) -> OrderMessage {
    let source = match order.risk.source {
        RiskSource::Service => RiskSourceMessage::Service,
        RiskSource::LocalRules => RiskSourceMessage::LocalRules,
    };
    OrderMessage {
        id: order.id.to_string(),
        user_id: order.user_id.to_string(),
        status: from_status(order.status).into(),
        lines: order.lines.into_iter().map(from_line).collect(),
        total: Some(proto::from_money(order.total)),
        risk: Some(RiskMessage { decision: RiskDecision::Accept.into(), source: source.into() }),
        version: order.version,
        created_at: Some(proto::from_timestamp(order.created_at)),
        expires_at: Some(proto::from_timestamp(order.expires_at)),
        paid_at: order.paid_at.map(proto::from_timestamp),
        cancelled_at: order.cancelled_at.map(proto::from_timestamp),
    }
}

fn from_line(line: Line) -> OrderLine {
    OrderLine {
        sku: line.sku.to_string(),
        quantity: line.quantity.get(),
        unit_price: Some(proto::from_money(line.unit_price)),
        line_total: Some(proto::from_money(line.line_total)),
    }
}

pub(super) fn from_status(status: Status) -> OrderStatus {
    match status {
        Status::PendingPayment => OrderStatus::PendingPayment,
        Status::Paid => OrderStatus::Paid,
        Status::Cancelled => OrderStatus::Cancelled,
        Status::Expired => OrderStatus::Expired,
    }
}

/// The status that a list is filtered by; `None` for all.
pub(super) fn to_status(message: OrderStatus) -> Option<Status> {
    match message {
        OrderStatus::Unspecified => None,
        OrderStatus::PendingPayment => Some(Status::PendingPayment),
        OrderStatus::Paid => Some(Status::Paid),
        OrderStatus::Cancelled => Some(Status::Cancelled),
        OrderStatus::Expired => Some(Status::Expired),
    }
}

pub(super) fn to_method(message: Option<pay_order_request::Method>) -> Result<Method, Error> {
    match message {
        Some(pay_order_request::Method::Balance(_)) => Ok(Method::Balance),
        Some(pay_order_request::Method::Card(card)) => Ok(Method::Card { token: card.token }),
        None => Err(Error::invalid("method", "must be balance or card")),
    }
}

pub(super) fn from_payment(payment: Payment) -> PaymentMessage {
    let method = match payment.method {
        MethodName::Balance => PaymentMethod::Balance,
        MethodName::Card => PaymentMethod::Card,
    };
    let status = match payment.status {
        PaymentStatus::Pending => PaymentStatusMessage::Pending,
        PaymentStatus::Captured => PaymentStatusMessage::Captured,
        PaymentStatus::Declined => PaymentStatusMessage::Declined,
        PaymentStatus::Refunded => PaymentStatusMessage::Refunded,
    };
    PaymentMessage {
        id: payment.id.to_string(),
        order_id: payment.order_id.to_string(),
        method: method.into(),
        status: status.into(),
        amount: Some(proto::from_money(payment.amount)),
        created_at: Some(proto::from_timestamp(payment.created_at)),
    }
}

/// A payment that the payment service tells of; anything that is not one is a fault of ours.
pub(super) fn to_payment(message: PaymentMessage) -> Result<Payment, Error> {
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

fn invalid_id(error: primitives::ParseError) -> Error {
    Error::internal(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sku: &str, quantity: u32) -> RequestedLine {
        RequestedLine { sku: sku.to_owned(), quantity }
    }

    #[test]
    fn two_lines_of_one_sku_are_summed() {
        let lines = to_lines(vec![line("a", 1), line("b", 2), line("a", 3)]).unwrap();
        let quantities: Vec<_> = lines.values().map(|quantity| quantity.get()).collect();
        assert_eq!(quantities, [4, 2]);
    }

    #[test]
    fn lines_out_of_bounds_are_refused() {
        assert!(to_lines(Vec::new()).is_err());
        assert!(to_lines(vec![line("a", 1); 101]).is_err());
        assert!(to_lines(vec![line("a", 0)]).is_err());
        assert!(to_lines(vec![line("a", 100_000), line("a", 1)]).is_err());
        assert!(to_lines(vec![line("a b", 1)]).is_err());
    }
}
