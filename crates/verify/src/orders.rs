//! Each order by itself, and against its payments and the account entries of those.

use mongodb::bson::{Uuid, doc};

use super::VerifyError;
use super::cut::{Cut, lowest};
use super::documents::{Order, OrderEntry, OrderStatus, Payment, fields};
use super::findings::{Check, Difference, Findings};
use super::payments;
use super::report::Counted;

/// More documents of one order than this are passed over: there are findings by then. An order is paid once.
const MOST: usize = 2_000;

/// All that is known about one order.
pub(super) struct OrderBooks {
    /// `None`: what names no order, though it should.
    pub(super) id: Option<Uuid>,
    pub(super) order: Option<Order>,
    /// But for the declined ones.
    pub(super) payments: Vec<Payment>,
    pub(super) entries: Vec<OrderEntry>,
}

pub(super) async fn check(cut: &mut Cut, findings: &mut Findings, counted: &mut Counted) -> Result<(), VerifyError> {
    let by_order = doc! { "$sort": { "orderId": 1, "_id": 1 } };
    let wanted = ["userId", "status", "lines", "total", "currency", "paidAt", "payment.requestId", "refundDue"];
    let mut orders = cut.stream::<Order>(vec![doc! { "$sort": { "_id": 1 } }, fields(&wanted)]).await?;

    let not_declined = doc! { "$match": { "status": { "$ne": "declined" } } };
    let wanted = fields(&["orderId", "userId", "method", "status", "amount", "currency"]);
    let mut payments = cut.stream::<Payment>(vec![not_declined, wanted, by_order.clone()]).await?;

    let for_orders = doc! { "$match": { "$or": [
        { "orderId": { "$exists": true } },
        { "paymentId": { "$exists": true } },
        { "kind": { "$in": ["payment", "refund"] } },
    ] } };
    let wanted = fields(&["orderId", "paymentId", "accountId", "delta", "kind"]);
    let mut entries = cut.stream::<OrderEntry>(vec![for_orders, wanted, by_order]).await?;

    while let Some(id) = lowest([orders.key(), payments.key(), entries.key()]) {
        let books = OrderBooks {
            id,
            order: orders.next_of(&id, cut).await?,
            payments: payments.all_of(&id, MOST, cut).await?,
            entries: entries.all_of(&id, MOST, cut).await?,
        };
        if let Some(order) = &books.order {
            *counted.orders.entry(order.status.name().to_owned()).or_default() += 1;
            counted.order_lines += u64::try_from(order.lines.len()).unwrap_or(u64::MAX);
        }
        books.judge(findings);
    }
    Ok(())
}

impl OrderBooks {
    fn judge(&self, findings: &mut Findings) {
        if let Some(order) = &self.order {
            totals(order, findings);
            stock(order, findings);
        }
        payments::judge(self, findings);
    }

    /// The order in words.
    pub(super) fn subject(&self) -> String {
        self.id.map_or_else(|| "no order".to_owned(), |id| format!("order {id}"))
    }
}

/// Each line says by which movements its stock went and, when the order has ended, came back. Whether those are right
/// is for [`super::movements`].
fn stock(order: &Order, findings: &mut Findings) {
    let has_ended = match order.status {
        OrderStatus::PendingPayment | OrderStatus::Paid => false,
        OrderStatus::Cancelled | OrderStatus::Expired => true,
    };
    for line in &order.lines {
        let subject = || format!("order {} ({}), SKU {}", order.id, order.status.name(), line.sku);
        if line.taken_by.is_none() {
            let expected = "a movement that took its stock";
            findings.add(Check::LinesTaken, Difference::new(subject(), expected, "none"));
        }
        if line.returned_by.is_some() != has_ended {
            let expected = if has_ended { "a movement that gave it back" } else { "none that gave it back" };
            let found = line.returned_by.map_or_else(|| "none".to_owned(), |id| format!("movement {id}"));
            findings.add(Check::LinesReturned, Difference::new(subject(), expected, found));
        }
    }
}

fn totals(order: &Order, findings: &mut Findings) {
    let subject = || format!("order {}", order.id);
    for line in &order.lines {
        let expected = line.unit_price.saturating_mul(line.quantity);
        findings.compare(Check::OrderTotals, format!("{}, SKU {}", subject(), line.sku), expected, line.line_total);
    }
    let sum = order.lines.iter().fold(0_i64, |sum, line| sum.saturating_add(line.line_total));
    findings.compare(Check::OrderTotals, subject(), sum, order.total);
}
