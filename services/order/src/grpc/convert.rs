//! Conversions between protobuf messages and the domain.

use envelope::Error;
use primitives::{OrderLines, OrderLinesError, ParseError, Quantity, Sku};
use proto::order::v1::{
    Order as OrderMessage, OrderLine, OrderStatus, RequestedLine, Risk as RiskMessage, RiskDecision,
    RiskSource as RiskSourceMessage, pay_order_request,
};
use proto::payment::v1::{Payment as PaymentMessage, PaymentMethod, PaymentStatus as PaymentStatusMessage};

use crate::domain::{Method, MethodName, Order, OrderLine as Line, Payment, PaymentStatus, RiskSource, Status};

/// The lines of a new order.
pub(super) fn to_lines(messages: Vec<RequestedLine>) -> Result<OrderLines, Error> {
    OrderLines::check_count(messages.len()).map_err(|error| Error::invalid("lines", error.to_string()))?;
    let line = |(position, message): (usize, RequestedLine)| {
        let invalid =
            |field, error: ParseError| Error::invalid(format!("lines[{position}].{field}"), error.to_string());
        let sku: Sku = message.sku.parse().map_err(|error| invalid("sku", error))?;
        let quantity = Quantity::try_from(message.quantity).map_err(|error| invalid("quantity", error))?;
        Ok((sku, quantity))
    };
    let lines: Vec<_> = messages.into_iter().enumerate().map(line).collect::<Result<_, Error>>()?;
    OrderLines::new(lines).map_err(|error| {
        let field = match &error {
            OrderLinesError::Quantity { positions } => {
                format!("lines[{}].quantity", positions.first().copied().unwrap_or_default())
            }
            OrderLinesError::Count => "lines".to_owned(),
        };
        Error::invalid(field, error.to_string())
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sku: &str, quantity: u32) -> RequestedLine {
        RequestedLine { sku: sku.to_owned(), quantity }
    }

    #[test]
    fn two_lines_of_one_sku_are_summed() {
        let lines = to_lines(vec![line("a", 1), line("b", 2), line("a", 3)]).unwrap();
        let quantities: Vec<_> = lines.iter().map(|(_, quantity)| quantity.get()).collect();
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
