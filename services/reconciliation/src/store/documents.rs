//! The documents of statements, and their conversions to the domain and back.

use std::collections::BTreeMap;

use jiff::civil::Date;
use mongo::{ConvertError, to_bson_time, to_bson_uuid};
use mongodb::bson::{self, Document, doc};
use primitives::{EventId, UserId};
use serde::{Deserialize, Serialize};

use crate::domain::{LineKind, MerchantDay, Statement, StatementKey, StatementLine, Tally, Totals};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineDocument {
    #[serde(rename = "_id")]
    id: bson::Uuid,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<bson::Uuid>,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<bson::Uuid>,
    day: String,
    amount: i64,
    pieces: i64,
    at: bson::DateTime,
}

impl From<&StatementLine> for LineDocument {
    fn from(line: &StatementLine) -> Self {
        Self {
            id: event_key(line.id),
            kind: line.kind.name().to_owned(),
            user_id: line.user.map(user_key),
            subject: line.subject.clone(),
            order_id: line.order.map(|order| to_bson_uuid(order.as_uuid())),
            day: line.day().to_string(),
            amount: line.amount,
            pieces: line.pieces,
            at: to_bson_time(line.at),
        }
    }
}

/// The fields of a line that an audit reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CountedLine {
    pub(super) user_id: bson::Uuid,
    kind: String,
    amount: i64,
}

impl CountedLine {
    pub(super) fn kind(&self) -> Result<LineKind, ConvertError> {
        kind(&self.kind)
    }

    pub(super) fn amount(&self) -> i64 {
        self.amount
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct StatementDocument {
    #[serde(rename = "_id")]
    id: StatementId,
    tallies: BTreeMap<String, TallyDocument>,
    lines: i64,
    net: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatementId {
    user_id: bson::Uuid,
    day: String,
}

#[derive(Debug, Clone, Deserialize)]
struct TallyDocument {
    count: i64,
    amount: i64,
}

impl TryFrom<StatementDocument> for Statement {
    type Error = ConvertError;

    fn try_from(stored: StatementDocument) -> Result<Self, ConvertError> {
        let tally = |(name, tally): (String, TallyDocument)| {
            Ok((kind(&name)?, Tally { count: tally.count, amount: tally.amount }))
        };
        let tallies = stored.tallies.into_iter().map(tally).collect::<Result<_, ConvertError>>()?;
        Ok(Self {
            key: StatementKey { day: day(&stored.id.day)?, user: user(stored.id.user_id) },
            totals: Totals { tallies, lines: stored.lines, net: stored.net },
        })
    }
}

/// A slot of a merchant's day.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MerchantDocument {
    #[serde(rename = "_id")]
    id: MerchantId,
    sales: i64,
    refunds: i64,
    stock_value_out: i64,
    stock_value_back: i64,
    pieces_out: i64,
    pieces_in: i64,
}

#[derive(Debug, Clone, Deserialize)]
struct MerchantId {
    day: String,
}

impl MerchantDocument {
    pub(super) fn day(&self) -> Result<Date, ConvertError> {
        day(&self.id.day)
    }

    /// Adds this slot to the day.
    pub(super) fn add_to(&self, day: &mut MerchantDay) {
        day.sales = day.sales.saturating_add(self.sales);
        day.refunds = day.refunds.saturating_add(self.refunds);
        day.stock_value_out = day.stock_value_out.saturating_add(self.stock_value_out);
        day.stock_value_back = day.stock_value_back.saturating_add(self.stock_value_back);
        day.pieces_out = day.pieces_out.saturating_add(self.pieces_out);
        day.pieces_in = day.pieces_in.saturating_add(self.pieces_in);
    }
}

/// The update that adds totals to a statement, or creates it.
pub(super) fn statement_update(key: StatementKey, totals: &Totals) -> Document {
    let mut sums = doc! { "lines": totals.lines, "net": totals.net, "version": 1_i64 };
    for (kind, tally) in &totals.tallies {
        sums.insert(format!("tallies.{}.count", kind.name()), tally.count);
        sums.insert(format!("tallies.{}.amount", kind.name()), tally.amount);
    }
    let id = doc! { "userId": user_key(key.user), "day": key.day.to_string() };
    doc! { "q": { "_id": id }, "u": { "$inc": sums }, "upsert": true }
}

/// The update that adds sums to a slot of a merchant's day, or creates it.
pub(super) fn merchant_update(day: Date, slot: i32, sums: &MerchantDay) -> Document {
    let id = doc! { "day": day.to_string(), "slot": slot };
    let sums = doc! {
        "sales": sums.sales,
        "refunds": sums.refunds,
        "stockValueOut": sums.stock_value_out,
        "stockValueBack": sums.stock_value_back,
        "piecesOut": sums.pieces_out,
        "piecesIn": sums.pieces_in,
        "version": 1_i64,
    };
    doc! { "q": { "_id": id }, "u": { "$inc": sums }, "upsert": true }
}

pub(super) fn user_key(user: UserId) -> bson::Uuid {
    to_bson_uuid(user.as_uuid())
}

pub(super) fn user(stored: bson::Uuid) -> UserId {
    mongo::from_bson_uuid(stored).into()
}

pub(super) fn event(stored: bson::Uuid) -> EventId {
    mongo::from_bson_uuid(stored).into()
}

pub(super) fn event_key(event: EventId) -> bson::Uuid {
    to_bson_uuid(event.as_uuid())
}

pub(super) fn kind(name: &str) -> Result<LineKind, ConvertError> {
    LineKind::from_name(name).ok_or(ConvertError { what: "kind of line" })
}

pub(super) fn day(text: &str) -> Result<Date, ConvertError> {
    text.parse().map_err(|_| ConvertError { what: "day" })
}
