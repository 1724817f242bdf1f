//! Checks each movement for orders against the order lines that name it. All orders of a batch share a movement, so the
//! lines whose stock it took or returned are found by its id.

use std::fmt;

use mongodb::bson::{Document, Uuid, doc};

use crate::cut::{Cut, lowest};
use crate::documents::{CANCELLED, EXPIRED, LineSums, Movement, PLACED, fields};
use crate::error::VerifyError;
use crate::findings::{Check, Difference, Findings};

pub(crate) async fn check(cut: &mut Cut, findings: &mut Findings) -> Result<(), VerifyError> {
    let for_orders = doc! { "$match": { "$or": [
        { "orderId": { "$exists": true } },
        { "reason": { "$in": [PLACED, CANCELLED, EXPIRED] } },
    ] } };
    let wanted = fields(&["orderId", "sku", "delta", "reason"]);
    let by_id = doc! { "$sort": { "_id": 1 } };
    let mut movements = cut.stream::<Movement>(vec![for_orders, wanted, by_id]).await?;
    let mut taken = cut.stream::<LineSums>(lines_by("takenBy")).await?;
    let mut returned = cut.stream::<LineSums>(lines_by("returnedBy")).await?;

    while let Some(id) = lowest([movements.key(), taken.key(), returned.key()]) {
        let books = MovementBooks {
            id,
            movement: movements.next_of(&id, cut).await?,
            taken: taken.next_of(&id, cut).await?,
            returned: returned.next_of(&id, cut).await?,
        };
        books.judge(findings);
    }
    Ok(())
}

/// The order lines, summed by the movement that they name in this field. Lines that name none are found by the check of
/// each order.
fn lines_by(field: &str) -> Vec<Document> {
    let path = format!("lines.{field}");
    let group = doc! { "$group": {
        "_id": format!("${path}"),
        "count": { "$sum": 1 },
        "pieces": { "$sum": "$lines.quantity" },
        "firstSku": { "$min": "$lines.sku" },
        "lastSku": { "$max": "$lines.sku" },
        "firstOrder": { "$min": "$_id" },
        "lastOrder": { "$max": "$_id" },
        "firstStatus": { "$min": "$status" },
        "lastStatus": { "$max": "$status" },
    } };
    vec![
        doc! { "$match": { &path: { "$exists": true } } },
        fields(&["status", "lines.sku", "lines.quantity", &path]),
        doc! { "$unwind": "$lines" },
        group,
        doc! { "$match": { "_id": { "$ne": null } } },
        doc! { "$sort": { "_id": 1 } },
    ]
}

/// Everything that is known about one movement for orders.
struct MovementBooks {
    id: Uuid,
    movement: Option<Movement>,
    /// The lines whose stock it took.
    taken: Option<LineSums>,
    /// The lines whose stock it returned.
    returned: Option<LineSums>,
}

impl MovementBooks {
    fn judge(&self, findings: &mut Findings) {
        let Some(movement) = &self.movement else {
            let found = "no such movement for orders";
            findings.add(Check::LinesHaveMovements, Difference::new(self.subject(), self.describe_lines(), found));
            return;
        };
        if self.taken.is_none() && self.returned.is_none() {
            let expected = "order lines that name it";
            let found = format!("none, though it is {movement}");
            findings.add(Check::MovementsHaveLines, Difference::new(self.subject(), expected, found));
            return;
        }
        if !self.matches(movement) {
            findings.add(Check::MovementsMatchLines, Difference::new(self.subject(), self.describe_lines(), movement));
        }
        let mut lines = self.taken.iter().chain(&self.returned);
        let mut is_of = |order| lines.all(|lines| [lines.first_order, lines.last_order] == [order; 2]);
        if let Some(order) = movement.order_id.filter(|order| !is_of(*order)) {
            let expected = format!("named by the lines of order {order} alone");
            findings.add(Check::MovementsOfOneOrder, Difference::new(self.subject(), expected, self.describe_lines()));
        }
    }

    fn subject(&self) -> String {
        format!("movement {}", self.id)
    }

    /// The delta and the reasons that the movement should have by its lines.
    fn expected(&self) -> impl Iterator<Item = (&LineSums, i64, [&'static str; 2])> {
        let taken = self.taken.iter().map(|lines| (lines, lines.pieces.saturating_neg(), [PLACED; 2]));
        taken.chain(self.returned.iter().map(|lines| (lines, lines.pieces, return_reasons(lines))))
    }

    fn matches(&self, movement: &Movement) -> bool {
        let mut expected = self.expected();
        let (Some((lines, delta, reasons)), None) = (expected.next(), expected.next()) else {
            return false;
        };
        delta == movement.delta
            && [&lines.first_sku, &lines.last_sku] == [&movement.sku; 2]
            && reasons == [&movement.reason; 2]
    }

    /// How findings describe the lines.
    fn describe_lines(&self) -> String {
        let lines = self.expected().map(|(lines, delta, [first_reason, last_reason])| {
            let reason = range(first_reason, last_reason);
            let sku = range(&lines.first_sku, &lines.last_sku);
            let orders = range(lines.first_order, lines.last_order);
            format!("{reason}, {delta} of SKU {sku} ({} lines of order {orders})", lines.count)
        });
        lines.collect::<Vec<_>>().join("; ")
    }
}

/// The reasons for which the stock of orders with these statuses is returned.
fn return_reasons(lines: &LineSums) -> [&'static str; 2] {
    [&lines.first_status, &lines.last_status].map(|status| match status.as_str() {
        "cancelled" => CANCELLED,
        "expired" => EXPIRED,
        _ => "no reason, since the order is live",
    })
}

fn range<T: PartialEq + fmt::Display>(first: T, last: T) -> String {
    if first == last { first.to_string() } else { format!("{first} to {last}") }
}

impl fmt::Display for Movement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} of SKU {}", self.reason, self.delta, self.sku)
    }
}
