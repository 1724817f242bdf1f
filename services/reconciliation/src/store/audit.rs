//! Statements against their lines, as of one moment.

use std::collections::BTreeMap;
use std::future::IntoFuture as _;

use futures::TryStreamExt as _;
use ids::UserId;
use jiff::civil::Date;
use mongo::bounded;
use mongodb::ClientSession;
use mongodb::bson::{self, doc};
use service::Deadline;

use super::Statements;
use super::documents::{StatementDocument, user, user_key};
use crate::domain::checks::{self, Finding};
use crate::domain::{Kind, Statement, StatementKey, Tally, Totals};

/// The most customers that are compared at once; what is held in memory is their totals.
const PAGE: usize = 1_000;

/// What was found about some customers of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// What is not equal.
    pub findings: Vec<Finding>,
    /// How many statements were compared.
    pub checked: usize,
    /// The last customer that was compared, to go on after; `None` at the end.
    pub next: Option<UserId>,
}

/// Some customers' totals, and whether there are more customers.
struct Side {
    totals: BTreeMap<UserId, Totals>,
    more: bool,
}

impl Statements {
    /// Compares the statements of a day with their lines for up to 1,000 customers after `after`, both as of one moment, so
    /// that what is being applied meanwhile makes no difference.
    pub async fn audit(
        &self,
        day: Date,
        after: Option<UserId>,
        deadline: Deadline,
    ) -> Result<AuditPage, mongo::Error> {
        let mut session = bounded(deadline, |_| self.db.snapshot()).await?;
        // Before the first comes the nil UUID, which nobody has.
        let after = after.unwrap_or_else(|| user(bson::Uuid::from_bytes([0; 16])));
        let statements = self.statements_after(&mut session, day, after, deadline).await?;
        let lines = self.lines_after(&mut session, day, after, deadline).await?;
        // Only customers that both sides have been read for can be compared.
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

    /// Adds lines up as they come, customer by customer.
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
        let mut tallies = BTreeMap::<UserId, BTreeMap<Kind, Tally>>::new();
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
