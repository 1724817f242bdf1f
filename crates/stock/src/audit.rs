//! The stock ledger as of a cut.

use jiff::Timestamp;
use mongo::{ConvertError, Cut, Pages, from_bson_uuid, one_of, to_bson_uuid};
use mongodb::bson::{Document, Uuid, doc};
use primitives::{MovementId, Sku};
use serde::Deserialize;

use crate::store::{LEVELS, MOVEMENTS};
use crate::{Ledger, Reason};

/// A movement made by an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedMovement {
    /// Its id.
    pub id: MovementId,
    /// The SKU.
    pub sku: Sku,
    /// The change of the counter: positive for returned pieces, negative for taken ones.
    pub delta: i64,
}

/// A number of pieces of a SKU: its counter, or the sum of its movements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkuPieces {
    /// The SKU.
    pub sku: Sku,
    /// The number of pieces.
    pub pieces: i64,
}

impl Ledger {
    /// The movements of orders made between `from` and `to`, by id.
    pub fn audit_movements(&self, cut: Cut, from: Option<Timestamp>, to: Option<Timestamp>) -> Pages<AuditedMovement> {
        let of_orders = [Reason::OrderPlaced, Reason::OrderCancelled, Reason::OrderExpired];
        let mut filter = doc! { "reason": { "$in": of_orders.map(|reason| reason.to_string()).to_vec() } };
        let mut span = Document::new();
        if let Some(from) = from {
            span.insert("$gte", to_bson_uuid(primitives::lowest_at(from)));
        }
        if let Some(to) = to {
            span.insert("$lt", to_bson_uuid(primitives::lowest_at(to)));
        }
        if !span.is_empty() {
            filter.insert("_id", span);
        }
        let wanted = doc! { "sku": 1, "delta": 1 };
        let pipeline = vec![doc! { "$match": filter }, doc! { "$sort": { "_id": 1 } }, doc! { "$project": wanted }];
        self.db.pages::<MovementRow, _>(Some(cut), MOVEMENTS, pipeline, mongo::PAGE)
    }

    /// The counters by SKU: of these SKUs, or of all if none are given.
    pub fn audit_counters(&self, cut: Cut, skus: &[Sku]) -> Pages<SkuPieces> {
        let by_sku = doc! { "$sort": { "_id": 1 } };
        let pieces = doc! { "$project": { "pieces": "$available" } };
        self.db.pages::<PiecesRow, _>(Some(cut), LEVELS, vec![of("_id", skus), by_sku, pieces], mongo::PAGE)
    }

    /// The sums of all movements by SKU: of these SKUs, or of all if none are given.
    pub fn audit_movement_sums(&self, cut: Cut, skus: &[Sku]) -> Pages<SkuPieces> {
        let sum = doc! { "$group": { "_id": "$sku", "pieces": { "$sum": "$delta" } } };
        let by_sku = doc! { "$sort": { "_id": 1 } };
        self.db.pages::<PiecesRow, _>(Some(cut), MOVEMENTS, vec![of("sku", skus), sum, by_sku], mongo::PAGE)
    }
}

fn of(field: &str, skus: &[Sku]) -> Document {
    doc! { "$match": one_of(field, skus.iter().map(Sku::as_str)) }
}

#[derive(Deserialize)]
struct MovementRow {
    #[serde(rename = "_id")]
    id: Uuid,
    sku: String,
    delta: i64,
}

impl TryFrom<MovementRow> for AuditedMovement {
    type Error = ConvertError;

    fn try_from(row: MovementRow) -> Result<Self, ConvertError> {
        Ok(Self { id: from_bson_uuid(row.id).into(), sku: sku(&row.sku)?, delta: row.delta })
    }
}

#[derive(Deserialize)]
struct PiecesRow {
    #[serde(rename = "_id")]
    sku: String,
    pieces: i64,
}

impl TryFrom<PiecesRow> for SkuPieces {
    type Error = ConvertError;

    fn try_from(row: PiecesRow) -> Result<Self, ConvertError> {
        Ok(Self { sku: sku(&row.sku)?, pieces: row.pieces })
    }
}

fn sku(text: &str) -> Result<Sku, ConvertError> {
    text.parse().map_err(|_| ConvertError { what: "SKU" })
}
