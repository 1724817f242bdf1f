//! Lines as the effects of events.

use std::collections::BTreeSet;

use futures::TryStreamExt as _;
use futures::stream::{BoxStream, StreamExt as _};
use jiff::civil::Date;
use mongo::{ConvertError, Cut, bounded, from_bson_time, from_bson_uuid, to_bson_time, to_bson_uuid};
use mongodb::bson::{self, Document, doc};
use serde::Deserialize;
use service::Deadline;

use super::documents::{day, event, kind, user};
use super::names::LINES;
use super::statements::Statements;
use crate::domain::checks::AppliedEffect;
use crate::domain::{LineReference, TimeRange, TimedEffect, Touched};

impl Statements {
    /// The effects of events of a time range, as of a cut, by time.
    pub(crate) fn effects(
        &self,
        cut: Cut,
        range: TimeRange,
    ) -> BoxStream<'static, Result<Vec<TimedEffect>, envelope::Error>> {
        let pipeline = vec![
            doc! { "$match": { "at": { "$gte": to_bson_time(range.from), "$lt": to_bson_time(range.to) } } },
            doc! { "$sort": { "at": 1, "_id": 1 } },
            doc! { "$project": { "at": 1, "kind": 1, "subject": 1 } },
        ];
        self.db.pages::<EffectRow, _>(Some(cut), LINES, pipeline, mongo::PAGE).map(|page| Ok(page?)).boxed()
    }

    /// What applied events touched whose ids were made in a time range. It stops once that is too much, and returns
    /// what it has read until then.
    pub(crate) async fn touched(&self, range: TimeRange, deadline: Deadline) -> Result<Touched, mongo::Error> {
        let lines = self.lines.clone_with_type::<ReferenceRow>();
        let made_at = |time| to_bson_uuid(primitives::lowest_at(time));
        let filter = doc! { "_id": { "$gte": made_at(range.from), "$lt": made_at(range.to) } };
        let wanted = doc! { "_id": 0, "kind": 1, "subject": 1, "userId": 1, "orderId": 1 };
        let find = |left| lines.find(filter).projection(wanted).max_time(left);
        let mut cursor = bounded(deadline, find).await?;
        let mut touched = Touched::default();
        while let Some(row) = deadline.bound(cursor.try_next()).await?? {
            touched.add(row.try_into()?).map_err(|_| ConvertError { what: "line" })?;
            if touched.is_too_many() {
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
        let effect = AppliedEffect { event: event(row.id), description: format!("{} of {}", row.kind, row.subject) };
        Ok(Self { at: from_bson_time(row.at)?, effect })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReferenceRow {
    kind: String,
    subject: String,
    user_id: Option<bson::Uuid>,
    order_id: Option<bson::Uuid>,
}

impl TryFrom<ReferenceRow> for LineReference {
    type Error = ConvertError;

    fn try_from(row: ReferenceRow) -> Result<Self, ConvertError> {
        Ok(Self {
            kind: kind(&row.kind)?,
            subject: row.subject,
            user: row.user_id.map(user),
            order: row.order_id.map(|id| from_bson_uuid(id).into()),
        })
    }
}
