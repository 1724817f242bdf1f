//! Checks the counter of each SKU against its movements and against the orders that hold its stock.

use mongodb::bson::doc;

use crate::cut::{Cut, lowest};
use crate::documents::{ADJUSTMENT, CANCELLED, EXPIRED, INITIAL, Level, LivePieces, MovementSums, PLACED};
use crate::error::VerifyError;
use crate::findings::{Check, Difference, Findings};
use crate::report::Counted;

pub(crate) async fn check(cut: &mut Cut, findings: &mut Findings, counted: &mut Counted) -> Result<(), VerifyError> {
    let by_sku = doc! { "$sort": { "_id": 1 } };
    let mut levels = cut.stream::<Level>(vec![by_sku.clone()]).await?;
    let adjusted = doc! { "$eq": [{ "$indexOfBytes": ["$reason", ADJUSTMENT] }, 0] };
    let is_base = doc! { "$or": [{ "$eq": ["$reason", INITIAL] }, adjusted] };
    let is_for_order = doc! { "$in": ["$reason", [PLACED, CANCELLED, EXPIRED]] };
    let group = doc! { "$group": {
        "_id": "$sku",
        "count": { "$sum": 1 },
        "sum": { "$sum": "$delta" },
        "base": { "$sum": { "$cond": [is_base.clone(), "$delta", 0_i64] } },
        "unknown": { "$sum": { "$cond": [{ "$or": [is_base, is_for_order] }, 0, 1] } },
    } };
    let mut movements = cut.stream::<MovementSums>(vec![group, by_sku.clone()]).await?;
    let live = doc! { "$match": { "status": { "$in": ["pending_payment", "paid"] } } };
    let group = doc! { "$group": { "_id": "$lines.sku", "pieces": { "$sum": "$lines.quantity" } } };
    let mut orders = cut.stream::<LivePieces>(vec![live, doc! { "$unwind": "$lines" }, group, by_sku]).await?;

    while let Some(sku) = lowest([levels.key(), movements.key(), orders.key()]) {
        let books = SkuBooks {
            level: levels.next_of(&sku, cut).await?.map(|level| level.available),
            movements: movements.next_of(&sku, cut).await?,
            live: orders.next_of(&sku, cut).await?.map_or(0, |live| live.pieces),
        };
        counted.skus += u64::from(books.level.is_some());
        let number = books.movements.as_ref().map_or(0, |movements| movements.count);
        counted.movements += u64::try_from(number).unwrap_or_default();
        books.judge(&sku, findings);
    }
    Ok(())
}

/// Everything that is known about one SKU.
struct SkuBooks {
    level: Option<i64>,
    movements: Option<MovementSums>,
    /// The pieces in live orders.
    live: i64,
}

impl SkuBooks {
    fn judge(&self, sku: &str, findings: &mut Findings) {
        let (count, sum, base, unknown) =
            self.movements.as_ref().map_or((0, 0, 0, 0), |sums| (sums.count, sums.sum, sums.base, sums.unknown));
        let subject = format!("SKU {sku}");
        if unknown > 0 {
            let found = format!("{unknown} with another");
            findings.add(Check::MovementsKnown, Difference::new(&subject, "reasons of the ledger", found));
        }
        let Some(available) = self.level else {
            let found = format!("none, but {count} movements and {} pieces in live orders", self.live);
            findings.add(Check::CounterExists, Difference::new(subject, "a counter", found));
            return;
        };
        if available < 0 {
            findings.add(Check::CounterNotNegative, Difference::new(&subject, "0 or more", available));
        }
        if available != sum {
            let expected = format!("{sum} (the sum of {count} movements)");
            let found = format!("a counter of {available}");
            findings.add(Check::CounterIsSumOfMovements, Difference::new(&subject, expected, found));
        }
        let held = base.saturating_sub(self.live);
        if available != held {
            let live = self.live;
            let expected = format!("{held} ({base} initial and adjusted, {live} in live orders)");
            let found = format!("a counter of {available}");
            findings.add(Check::CounterMatchesOrders, Difference::new(&subject, expected, found));
        }
    }
}
