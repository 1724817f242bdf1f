//! The books of the order service as of a cut.

use jiff::Timestamp;
use mongo::{ConvertError, Cut, Pages, from_bson_uuid, one_of, to_bson_uuid};
use mongodb::bson::{Document, Uuid, doc};
use primitives::{Currency, Money, MovementId, OrderId, UserId};
use serde::Deserialize;

use super::fences::FENCED;
use super::{ORDERS, Store};
use crate::domain::{AuditedOrder, MovedPieces, Status};

impl Store {
    /// Orders by id: these, or all if none are given.
    pub(crate) fn audit_orders(&self, cut: Cut, orders: &[OrderId]) -> Pages<AuditedOrder> {
        let wanted = doc! {
            "userId": 1, "status": 1, "total": 1, "currency": 1, "refundDue": 1,
            "beingPaid": { "$gt": ["$payment", null] },
        };
        let pipeline = vec![doc! { "$match": of(orders) }, doc! { "$sort": { "_id": 1 } }, doc! { "$project": wanted }];
        self.db.pages::<OrderRow, _>(Some(cut), ORDERS, pipeline, mongo::PAGE)
    }

    /// The pieces of the movements that order lines name, by movement id: of these orders, or of all if none are given,
    /// and of movements made between `from` and `to`.
    pub(crate) fn audit_moved_pieces(
        &self,
        cut: Cut,
        orders: &[OrderId],
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Pages<MovedPieces> {
        let mut named = doc! { "$type": "binData" };
        if let Some(from) = from {
            named.insert("$gte", to_bson_uuid(primitives::lowest_at(from)));
        }
        if let Some(to) = to {
            named.insert("$lt", to_bson_uuid(primitives::lowest_at(to)));
        }
        let taken = doc! { "id": "$lines.takenBy", "pieces": { "$subtract": [0_i64, "$lines.quantity"] } };
        let returned = doc! { "id": "$lines.returnedBy", "pieces": { "$toLong": "$lines.quantity" } };
        let pipeline = vec![
            doc! { "$match": of(orders) },
            doc! { "$unwind": "$lines" },
            doc! { "$project": { "_id": 0, "moved": [taken, returned] } },
            doc! { "$unwind": "$moved" },
            doc! { "$match": { "moved.id": named } },
            doc! { "$group": { "_id": "$moved.id", "pieces": { "$sum": "$moved.pieces" } } },
            doc! { "$sort": { "_id": 1 } },
        ];
        self.db.pages::<MovedRow, _>(Some(cut), ORDERS, pipeline, mongo::PAGE)
    }
}

fn of(orders: &[OrderId]) -> Document {
    let mut filter = one_of("_id", orders.iter().map(|id| to_bson_uuid(id.as_uuid())));
    filter.insert("status", doc! { "$ne": FENCED });
    filter
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderRow {
    #[serde(rename = "_id")]
    id: Uuid,
    user_id: Uuid,
    status: String,
    total: i64,
    currency: Currency,
    #[serde(default)]
    refund_due: bool,
    being_paid: bool,
}

impl TryFrom<OrderRow> for AuditedOrder {
    type Error = ConvertError;

    fn try_from(row: OrderRow) -> Result<Self, ConvertError> {
        Ok(Self {
            id: from_bson_uuid(row.id).into(),
            user_id: UserId::from(from_bson_uuid(row.user_id)),
            status: Status::from_name(&row.status).ok_or(ConvertError { what: "order" })?,
            total: Money::new(row.total, row.currency),
            being_paid: row.being_paid,
            refund_due: row.refund_due,
        })
    }
}

#[derive(Deserialize)]
struct MovedRow {
    #[serde(rename = "_id")]
    id: Uuid,
    pieces: i64,
}

impl TryFrom<MovedRow> for MovedPieces {
    type Error = ConvertError;

    fn try_from(row: MovedRow) -> Result<Self, ConvertError> {
        Ok(Self { movement: MovementId::from(from_bson_uuid(row.id)), pieces: row.pieces })
    }
}
