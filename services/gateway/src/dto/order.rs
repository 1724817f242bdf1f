//! Orders.

use envelope::Error;
use primitives::{IdempotencyKey, OrderLines, OrderLinesError, Quantity, Sku};
use proto::ConvertError;
use proto::order::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dto::money::Money;
use crate::dto::time::Time;
use crate::entity_tag::Versioned;
use crate::input::Violations;
use crate::schema;
use crate::strict;

/// An order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order {
    #[schema(schema_with = schema::uuid)]
    pub(crate) id: String,
    #[schema(schema_with = schema::uuid)]
    user_id: String,
    status: OrderStatus,
    lines: Vec<OrderLine>,
    total: Money,
    risk: Risk,
    version: u64,
    #[schema(schema_with = schema::time)]
    created_at: Time,
    /// When the order expires unless it is paid.
    #[schema(schema_with = schema::time)]
    expires_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::time, required = false)]
    paid_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::time, required = false)]
    cancelled_at: Option<Time>,
}

/// The status of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderStatus {
    PendingPayment,
    Paid,
    Cancelled,
    Expired,
}

impl OrderStatus {
    /// Parses the name of a status into the form of the service.
    pub(crate) fn parse(name: &str) -> Result<wire::OrderStatus, &'static str> {
        match name {
            "pending_payment" => Ok(wire::OrderStatus::PendingPayment),
            "paid" => Ok(wire::OrderStatus::Paid),
            "cancelled" => Ok(wire::OrderStatus::Cancelled),
            "expired" => Ok(wire::OrderStatus::Expired),
            _ => Err("must be pending_payment, paid, cancelled or expired"),
        }
    }
}

impl TryFrom<wire::OrderStatus> for OrderStatus {
    type Error = ConvertError;

    fn try_from(status: wire::OrderStatus) -> Result<Self, ConvertError> {
        match status {
            wire::OrderStatus::PendingPayment => Ok(Self::PendingPayment),
            wire::OrderStatus::Paid => Ok(Self::Paid),
            wire::OrderStatus::Cancelled => Ok(Self::Cancelled),
            wire::OrderStatus::Expired => Ok(Self::Expired),
            wire::OrderStatus::Unspecified => Err(ConvertError::Missing("status")),
        }
    }
}

/// A line of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OrderLine {
    #[schema(schema_with = schema::sku)]
    sku: String,
    quantity: u32,
    unit_price: Money,
    line_total: Money,
}

impl TryFrom<wire::OrderLine> for OrderLine {
    type Error = ConvertError;

    fn try_from(line: wire::OrderLine) -> Result<Self, ConvertError> {
        Ok(Self {
            sku: line.sku,
            quantity: line.quantity,
            unit_price: Money::of("unit_price", line.unit_price)?,
            line_total: Money::of("line_total", line.line_total)?,
        })
    }
}

/// The risk decision about an order.
#[derive(Debug, Serialize, ToSchema)]
struct Risk {
    decision: RiskDecision,
    source: RiskSource,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RiskDecision {
    Accept,
}

/// The source of the risk decision.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RiskSource {
    Service,
    LocalRules,
}

impl TryFrom<wire::Risk> for Risk {
    type Error = ConvertError;

    fn try_from(risk: wire::Risk) -> Result<Self, ConvertError> {
        let decision = match risk.decision() {
            wire::RiskDecision::Accept => RiskDecision::Accept,
            wire::RiskDecision::Unspecified => return Err(ConvertError::Missing("decision")),
        };
        let source = match risk.source() {
            wire::RiskSource::Service => RiskSource::Service,
            wire::RiskSource::LocalRules => RiskSource::LocalRules,
            wire::RiskSource::Unspecified => return Err(ConvertError::Missing("source")),
        };
        Ok(Self { decision, source })
    }
}

impl Versioned for Order {
    fn version(&self) -> u64 {
        self.version
    }
}

impl TryFrom<Option<wire::Order>> for Order {
    type Error = ConvertError;

    fn try_from(order: Option<wire::Order>) -> Result<Self, ConvertError> {
        order.ok_or(ConvertError::Missing("order"))?.try_into()
    }
}

impl TryFrom<wire::Order> for Order {
    type Error = ConvertError;

    fn try_from(order: wire::Order) -> Result<Self, ConvertError> {
        Ok(Self {
            status: order.status().try_into()?,
            id: order.id,
            user_id: order.user_id,
            lines: order.lines.into_iter().map(OrderLine::try_from).collect::<Result<_, _>>()?,
            total: Money::of("total", order.total)?,
            risk: order.risk.ok_or(ConvertError::Missing("risk"))?.try_into()?,
            version: order.version,
            created_at: Time::of("created_at", order.created_at)?,
            expires_at: Time::of("expires_at", order.expires_at)?,
            paid_at: Time::maybe("paid_at", order.paid_at)?,
            cancelled_at: Time::maybe("cancelled_at", order.cancelled_at)?,
        })
    }
}

/// An order to place: 1 to 100 lines. The quantities of lines with the same SKU are added up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceOrder {
    #[serde(deserialize_with = "strict::objects")]
    #[schema(min_items = 1, max_items = 100)]
    lines: Vec<RequestedLine>,
}

/// A line of an order to place.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RequestedLine {
    #[schema(schema_with = schema::sku)]
    sku: String,
    #[serde(deserialize_with = "strict::integer")]
    #[schema(schema_with = schema::quantity)]
    quantity: i64,
}

impl PlaceOrder {
    pub(crate) fn check(self, key: &IdempotencyKey) -> Result<wire::PlaceOrderRequest, Error> {
        let mut wrong = Violations::default();
        if let Err(error) = OrderLines::check_count(self.lines.len()) {
            wrong.add("lines", error.to_string());
            return Err(wrong.into_error());
        }
        let (mut lines, mut indexes): (Vec<(Sku, Quantity)>, Vec<usize>) = Default::default();
        for (index, line) in self.lines.iter().enumerate() {
            let sku = wrong.take(format!("lines[{index}].sku"), line.sku.parse::<Sku>());
            let quantity = wrong.take(format!("lines[{index}].quantity"), quantity(line.quantity));
            if let (Some(sku), Some(quantity)) = (sku, quantity) {
                lines.push((sku, quantity));
                indexes.push(index);
            }
        }
        let summed = OrderLines::new(lines);
        if let Err(error @ OrderLinesError::Quantity { positions }) = &summed {
            for position in positions {
                wrong.add(format!("lines[{}].quantity", indexes[*position]), error.to_string());
            }
        }
        wrong.finish()?;
        let lines = summed.map_err(|error| Error::invalid("lines", error.to_string()))?;
        let line = |(sku, quantity): (&Sku, Quantity)| wire::RequestedLine {
            sku: sku.as_str().to_owned(),
            quantity: quantity.get(),
        };
        let lines = lines.iter().map(line).collect();
        Ok(wire::PlaceOrderRequest { lines, idempotency_key: key.as_str().to_owned() })
    }
}

fn quantity(number: i64) -> Result<Quantity, primitives::ParseError> {
    // A number outside of u32 is as invalid as 0.
    Quantity::try_from(u32::try_from(number).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[(&str, i64)]) -> Result<Vec<(String, u32)>, Error> {
        let lines = lines.iter().map(|&(sku, quantity)| RequestedLine { sku: sku.into(), quantity }).collect();
        let request = PlaceOrder { lines }.check(&"key".parse().unwrap())?;
        Ok(request.lines.into_iter().map(|line| (line.sku, line.quantity)).collect())
    }

    #[test]
    fn lines_of_one_sku_are_summed() {
        let lines = check(&[("a", 1), ("b", 2), ("a", 3)]).unwrap();
        assert_eq!(lines, [("a".to_owned(), 4), ("b".to_owned(), 2)]);
        assert!(check(&[("a", 99_999), ("a", 1)]).is_ok());
        assert!(check(&[("a", 100_000), ("a", 1)]).is_err());
    }

    #[test]
    fn all_violations_are_reported_together() {
        let error = check(&[("a b", 0), ("a", -1), ("", 100_001), ("ok", i64::MAX)]).unwrap_err();
        assert_eq!(error.details().len(), 6);
        assert!(check(&[]).is_err());
        assert!(check(&vec![("a", 1); 101]).is_err());
        assert!(check(&vec![("a", 1); 100]).is_ok());
    }
}
