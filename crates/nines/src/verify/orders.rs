//! Each order against its stock movements, its payments and the account entries of those.

use std::collections::BTreeMap;

use mongodb::bson::{Uuid, doc};

use super::VerifyError;
use super::cut::{Cut, lowest};
use super::documents::{
    CANCELLED, EXPIRED, Movement, Order, OrderEntry, OrderStatus, PLACED, Payment, fields,
};
use super::findings::{Check, Difference, Findings};
use super::payments;
use super::report::Counted;

/// More documents of one order than this are passed over: there are findings by then. An order has 100 lines at most.
const MOST: usize = 2_000;

/// All that is known about one order.
pub(super) struct OrderBooks {
    /// `None`: what names no order, though it should.
    pub(super) id: Option<Uuid>,
    pub(super) order: Option<Order>,
    pub(super) movements: Vec<Movement>,
    /// But for the declined ones.
    pub(super) payments: Vec<Payment>,
    pub(super) entries: Vec<OrderEntry>,
}

pub(super) async fn check(
    cut: &mut Cut,
    findings: &mut Findings,
    counted: &mut Counted,
) -> Result<(), VerifyError> {
    let by_order = doc! { "$sort": { "orderId": 1, "_id": 1 } };
    let wanted =
        ["userId", "status", "lines", "total", "currency", "paidAt", "payment.requestId", "refundDue"];
    let mut orders = cut.stream::<Order>(vec![doc! { "$sort": { "_id": 1 } }, fields(&wanted)]).await?;

    let for_orders = doc! { "$match": { "$or": [
        { "orderId": { "$exists": true } },
        { "reason": { "$in": [PLACED, CANCELLED, EXPIRED] } },
    ] } };
    let wanted = fields(&["orderId", "sku", "delta", "reason"]);
    let mut movements = cut.stream::<Movement>(vec![for_orders, wanted, by_order.clone()]).await?;

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

    while let Some(id) = lowest([orders.key(), movements.key(), payments.key(), entries.key()]) {
        let books = OrderBooks {
            id,
            order: orders.next_of(&id, cut).await?,
            movements: movements.all_of(&id, MOST, cut).await?,
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
        match &self.order {
            Some(order) => {
                totals(order, findings);
                self.movements_of(order, findings);
            }
            None => self.movements_of_no_order(findings),
        }
        payments::judge(self, findings);
    }

    /// The order in words.
    pub(super) fn subject(&self) -> String {
        self.id.map_or_else(|| "no order".to_owned(), |id| format!("order {id}"))
    }

    fn movements_of_no_order(&self, findings: &mut Findings) {
        for movement in &self.movements {
            let found = format!("{} {} {}", movement.reason, movement.sku, movement.delta);
            let difference =
                Difference::new(self.subject(), "no movement, for there is no such order", found);
            findings.add(Check::MovementsHaveOrders, difference);
        }
    }

    /// Each line was taken once; when the order has ended, it was given back once as well.
    fn movements_of(&self, order: &Order, findings: &mut Findings) {
        let (check, given_back) = match order.status {
            OrderStatus::PendingPayment | OrderStatus::Paid => (Check::LiveOrderMovements, None),
            OrderStatus::Cancelled => (Check::EndedOrderMovements, Some(CANCELLED)),
            OrderStatus::Expired => (Check::EndedOrderMovements, Some(EXPIRED)),
        };
        let mut pieces = BTreeMap::<&str, i64>::new();
        for line in &order.lines {
            *pieces.entry(&line.sku).or_default() += line.quantity;
        }
        let mut expected = BTreeMap::<(&str, &str), Vec<i64>>::new();
        for (sku, pieces) in pieces {
            expected.insert((sku, PLACED), vec![-pieces]);
            if let Some(reason) = given_back {
                expected.insert((sku, reason), vec![pieces]);
            }
        }
        let mut found = BTreeMap::<(&str, &str), Vec<i64>>::new();
        for movement in &self.movements {
            found.entry((&movement.sku, &movement.reason)).or_default().push(movement.delta);
        }
        let mut keys: Vec<_> = expected.keys().chain(found.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let (sku, reason) = key;
            let subject = format!("{} ({}), SKU {sku}, {reason}", self.subject(), order.status.name());
            findings.compare(check, subject, deltas(expected.get(key)), deltas(found.get(key)));
        }
    }
}

fn deltas(deltas: Option<&Vec<i64>>) -> String {
    let texts: Option<Vec<String>> = deltas.map(|deltas| deltas.iter().map(i64::to_string).collect());
    texts.map_or_else(|| "no movement".to_owned(), |texts| texts.join(", "))
}

fn totals(order: &Order, findings: &mut Findings) {
    let subject = || format!("order {}", order.id);
    for line in &order.lines {
        let expected = line.unit_price.saturating_mul(line.quantity);
        findings.compare(
            Check::OrderTotals,
            format!("{}, SKU {}", subject(), line.sku),
            expected,
            line.line_total,
        );
    }
    let sum = order.lines.iter().fold(0_i64, |sum, line| sum.saturating_add(line.line_total));
    findings.compare(Check::OrderTotals, subject(), sum, order.total);
}
