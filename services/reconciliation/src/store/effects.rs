//! The lines of statements as the effects of events.

use std::collections::BTreeSet;

use futures::TryStreamExt as _;
use futures::stream::{BoxStream, StreamExt as _};
use jiff::Timestamp;
use jiff::civil::Date;
use mongo::{ConvertError, Cut, bounded, from_bson_time, from_bson_uuid, to_bson_time, to_bson_uuid};
use mongodb::bson::{self, Document, doc};
use primitives::{OrderId, Sku, UserId};
use serde::Deserialize;
use service::Deadline;

use super::documents::{day, event, kind};
use super::{LINES, Statements};
use crate::domain::checks::Effect;
use crate::domain::{Kind, TimedEffect};

/// What events of a span of time were about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) orders: BTreeSet<OrderId>,
    pub(crate) users: BTreeSet<UserId>,
    pub(crate) skus: BTreeSet<Sku>,
}

impl Touched {
    /// The largest of the sets.
    pub(crate) fn most(&self) -> usize {
        self.orders.len().max(self.users.len()).max(self.skus.len())
    }
}

impl Statements {
    /// What was applied of a span of time, as of a cut, by time.
    pub(crate) fn effects(
        &self,
        cut: Cut,
        (from, to): (Timestamp, Timestamp),
    ) -> BoxStream<'static, Result<Vec<TimedEffect>, envelope::Error>> {
        let pipeline = vec![
            doc! { "$match": { "at": { "$gte": to_bson_time(from), "$lt": to_bson_time(to) } } },
            doc! { "$sort": { "at": 1, "_id": 1 } },
            doc! { "$project": { "at": 1, "kind": 1, "subject": 1 } },
        ];
        self.db.pages::<EffectRow, _>(Some(cut), LINES, pipeline, mongo::PAGE).map(|page| Ok(page?)).boxed()
    }

    /// What the applied events were about whose ids were made in a span of time. It stops, with what it has until then,
    /// once one of the sets has more than `most`.
    pub(crate) async fn touched(
        &self,
        (from, to): (Timestamp, Timestamp),
        most: usize,
        deadline: Deadline,
    ) -> Result<Touched, mongo::Error> {
        let lines = self.lines.clone_with_type::<TouchedRow>();
        let made_at = |time| to_bson_uuid(primitives::lowest_at(time));
        let filter = doc! { "_id": { "$gte": made_at(from), "$lt": made_at(to) } };
        let wanted = doc! { "_id": 0, "kind": 1, "subject": 1, "userId": 1, "orderId": 1 };
        let find = |left| lines.find(filter).projection(wanted).max_time(left);
        let mut cursor = bounded(deadline, find).await?;
        let mut touched = Touched::default();
        while let Some(row) = deadline.bound(cursor.try_next()).await?? {
            touched.orders.extend(row.order_id.map(|id| OrderId::from(from_bson_uuid(id))));
            match kind(&row.kind)? {
                Kind::StockMoved => {
                    let sku = row.subject.parse().map_err(|_| ConvertError { what: "line" })?;
                    touched.skus.insert(sku);
                }
                Kind::AccountDeposit | Kind::AccountPayment | Kind::AccountRefund => {
                    touched.users.extend(row.user_id.map(|id| UserId::from(from_bson_uuid(id))));
                }
                Kind::OrderPlaced | Kind::OrderPaid | Kind::OrderCancelled | Kind::OrderExpired => {}
                Kind::PaymentCaptured | Kind::PaymentDeclined | Kind::PaymentRefunded => {}
            }
            if touched.most() > most {
                break;
            }
        }
        Ok(touched)
    }

    /// The days that have statements or lines.
    pub(crate) async fn days(&self, deadline: Deadline) -> Result<BTreeSet<Date>, mongo::Error> {
        let of_lines = bounded(deadline, |_| self.lines.distinct("day", Document::new())).await?;
        let of_statements = bounded(deadline, |_| self.statements.distinct("_id.day", Document::new())).await?;
        let days = of_lines.iter().chain(&of_statements);
        Ok(days.map(|text| day(text.as_str().unwrap_or_default())).collect::<Result<_, _>>()?)
    }
}

#[derive(Deserialize)]
struct EffectRow {
    #[serde(rename = "_id")]
    id: bson::Uuid,
    at: bson::DateTime,
    kind: String,
    subject: String,
}

impl TryFrom<EffectRow> for TimedEffect {
    type Error = ConvertError;

    fn try_from(row: EffectRow) -> Result<Self, ConvertError> {
        let effect = Effect { event: event(row.id), what: format!("{} of {}", row.kind, row.subject) };
        Ok(Self { at: from_bson_time(row.at)?, effect })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TouchedRow {
    kind: String,
    subject: String,
    user_id: Option<bson::Uuid>,
    order_id: Option<bson::Uuid>,
}
