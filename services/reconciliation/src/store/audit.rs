//! Comparison of statements with their lines, in one snapshot.

use std::collections::BTreeMap;
use std::future::IntoFuture as _;

use futures::TryStreamExt as _;
use jiff::civil::Date;
use mongo::{Policy, bounded};
use mongodb::ClientSession;
use mongodb::bson::{self, doc};
use primitives::UserId;
use serde::Deserialize;
use service::Deadline;

use super::documents::{MerchantDocument, StatementDocument, kind, user, user_key};
use super::names::MERCHANT_DAYS;
use super::statements::Statements;
use crate::domain::checks;
use crate::domain::{Finding, LineKind, MerchantDay, Statement, StatementKey, Tally, Totals};

/// The most customers of a page; their totals are held in memory.
const PAGE: usize = 1_000;

/// The result for one page of customers of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// The differences.
    pub findings: Vec<Finding>,
    /// The number of compared statements.
    pub checked: usize,
    /// The last compared customer, after which the next page begins; `None` at the end.
    pub next: Option<UserId>,
}

/// The totals of a page of customers, and whether there are more.
struct Side {
    totals: BTreeMap<UserId, Totals>,
    more: bool,
}

impl Statements {
    /// Compares the statements of a day with their lines for up to 1,000 customers after `after`, in one snapshot, so
    /// that events that are applied concurrently cause no difference.
    pub async fn audit(&self, day: Date, after: Option<UserId>, deadline: Deadline) -> Result<AuditPage, mongo::Error> {
        let mut session = bounded(deadline, |_| self.db.snapshot()).await?;
        // The nil UUID sorts before all others and is never used.
        let after = after.unwrap_or_else(|| user(bson::Uuid::from_bytes([0; 16])));
        let statements = self.statements_after(&mut session, day, after, deadline).await?;
        let lines = self.lines_after(&mut session, day, after, deadline).await?;
        // Only customers up to the end of both sides can be compared.
        let last_of = |side: &Side| side.totals.keys().next_back().copied().filter(|_| side.more);
        let next = [last_of(&statements), last_of(&lines)].into_iter().flatten().min();
        let mut users: Vec<UserId> = statements.totals.keys().chain(lines.totals.keys()).copied().collect();
        users.sort_unstable();
        users.dedup();
        users.retain(|user| next.is_none_or(|next| *user <= next));
        let compare = |user: &UserId| {
            let key = StatementKey { day, user: *user };
            checks::statement(key, statements.totals.get(user), lines.totals.get(user))
        };
        Ok(AuditPage { findings: users.iter().filter_map(compare).collect(), checked: users.len(), next })
    }

    /// Compares the merchant's day with its lines, in one snapshot.
    pub async fn audit_merchant_day(&self, day: Date, deadline: Deadline) -> Result<Option<Finding>, mongo::Error> {
        let mut session = bounded(deadline, |_| self.db.snapshot()).await?;
        let of_day = doc! { "$match": { "day": day.to_string() } };
        let counted = |pieces: bson::Document| doc! { "$sum": { "$cond": [pieces, { "$abs": "$pieces" }, 0_i64] } };
        let sums = doc! { "$group": {
            "_id": "$kind",
            "amount": { "$sum": "$amount" },
            "piecesIn": counted(doc! { "$gt": ["$pieces", 0] }),
            "piecesOut": counted(doc! { "$lt": ["$pieces", 0] }),
        } };
        let sums = self.counted.aggregate([of_day, sums]).max_time(deadline.remaining()?).with_type::<KindSums>();
        let mut sums = deadline.bound(sums.session(&mut session).into_future()).await??;
        let mut lines = MerchantDay::default();
        while let Some(sum) = deadline.bound(sums.next(&mut session)).await?.transpose()? {
            lines.add_sums(kind(&sum.kind)?, sum.amount, sum.pieces_in, sum.pieces_out);
        }
        let slots = self.db.collection::<MerchantDocument>(Policy::Snapshot, MERCHANT_DAYS);
        let slots = slots.find(doc! { "_id.day": day.to_string() }).max_time(deadline.remaining()?);
        let mut slots = deadline.bound(slots.session(&mut session).into_future()).await??;
        let mut kept = MerchantDay::default();
        while let Some(slot) = deadline.bound(slots.next(&mut session)).await?.transpose()? {
            slot.add_to(&mut kept);
        }
        Ok(checks::merchant_day(day, &kept, &lines))
    }

    async fn statements_after(
        &self,
        session: &mut ClientSession,
        day: Date,
        after: UserId,
        deadline: Deadline,
    ) -> Result<Side, mongo::Error> {
        let filter = doc! { "_id.day": day.to_string(), "_id.userId": { "$gt": user_key(after) } };
        let order = doc! { "_id.day": 1, "_id.userId": 1 };
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let find = self.settled.find(filter).sort(order).limit(limit).max_time(deadline.remaining()?);
        let mut cursor = deadline.bound(find.session(&mut *session).into_future()).await??;
        let stored: Vec<StatementDocument> = deadline.bound(cursor.stream(session).try_collect()).await??;
        let more = stored.len() == PAGE;
        let mut totals = BTreeMap::new();
        for document in stored {
            let statement = Statement::try_from(document)?;
            totals.insert(statement.key.user, statement.totals);
        }
        Ok(Side { totals, more })
    }

    /// Sums the lines by customer while reading them.
    async fn lines_after(
        &self,
        session: &mut ClientSession,
        day: Date,
        after: UserId,
        deadline: Deadline,
    ) -> Result<Side, mongo::Error> {
        let filter = doc! { "day": day.to_string(), "userId": { "$gt": user_key(after) } };
        let order = doc! { "day": 1, "userId": 1 };
        let find = self.counted.find(filter).sort(order).max_time(deadline.remaining()?);
        let mut cursor = deadline.bound(find.session(&mut *session).into_future()).await??;
        let mut stream = cursor.stream(session);
        let mut tallies = BTreeMap::<UserId, BTreeMap<LineKind, Tally>>::new();
        let mut more = false;
        while let Some(line) = deadline.bound(stream.try_next()).await?? {
            let owner = user(line.user_id);
            if tallies.len() == PAGE && !tallies.contains_key(&owner) {
                more = true;
                break;
            }
            let tally = tallies.entry(owner).or_default().entry(line.kind()?).or_default();
            tally.count = tally.count.saturating_add(1);
            tally.amount = tally.amount.saturating_add(line.amount());
        }
        let totals = tallies.into_iter().map(|(owner, tallies)| (owner, Totals::of(tallies))).collect();
        Ok(Side { totals, more })
    }
}

/// The sums of a day's lines of one kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KindSums {
    #[serde(rename = "_id")]
    kind: String,
    amount: i64,
    pieces_in: i64,
    pieces_out: i64,
}
