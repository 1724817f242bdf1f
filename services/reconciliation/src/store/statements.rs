//! Statements, their lines and the merchant's days. All three are written in one transaction, so they are always equal
//! to each other.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use jiff::civil::Date;
use mongo::{Db, Policy, bounded};
use mongodb::bson::{Document, doc};
use mongodb::error::Error as DriverError;
use mongodb::{ClientSession, Collection};
use primitives::UserId;
use service::Deadline;

use super::documents::{
    CountedLine, LineDocument, MerchantDocument, StatementDocument, merchant_update, statement_update, user_key,
};
use super::names::{LINES, MERCHANT_DAYS, STATEMENTS};
use crate::domain::{DayRange, MerchantDay, Statement, StatementLine, by_customer};

/// The number of documents of a merchant's day, so that batches that are applied side by side seldom conflict.
const SLOTS: u8 = 64;

/// The statements. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Statements {
    pub(super) db: Db,
    pub(super) lines: Collection<LineDocument>,
    /// Lines and statements as an audit reads them: as of one moment.
    pub(super) counted: Collection<CountedLine>,
    pub(super) settled: Collection<StatementDocument>,
    /// As customers read them.
    pub(super) statements: Collection<StatementDocument>,
    merchant_days: Collection<MerchantDocument>,
}

impl Statements {
    /// The statements of a database.
    pub fn new(db: &Db) -> Self {
        Self {
            db: db.clone(),
            lines: db.collection(Policy::Ledger, LINES),
            counted: db.collection(Policy::Snapshot, LINES),
            settled: db.collection(Policy::Snapshot, STATEMENTS),
            statements: db.collection(Policy::Shown, STATEMENTS),
            merchant_days: db.collection(Policy::Ledger, MERCHANT_DAYS),
        }
    }

    /// Applies lines in the caller's transaction: at most three commands, whatever their number, with one change of
    /// each statement and of each merchant's day. A line that was applied before is an error, since it must not count
    /// twice; the caller leaves those out.
    ///
    /// # Errors
    /// Those of the database; the transaction must be aborted.
    pub async fn apply(&self, session: &mut ClientSession, lines: &[StatementLine]) -> Result<(), DriverError> {
        let Some(first) = lines.first() else { return Ok(()) };
        self.lines.insert_many(lines.iter().map(LineDocument::from)).session(&mut *session).await?;
        let statements = by_customer(lines);
        let updates = statements.iter().map(|(key, totals)| statement_update(*key, totals));
        self.update(session, STATEMENTS, updates.collect()).await?;
        // The last byte of an event's id is random, and stays the same when the batch is retried.
        let [.., random] = first.id.as_uuid().into_bytes();
        let slot = i32::from(random % SLOTS);
        let days = MerchantDay::of(lines);
        let updates = days.iter().map(|(day, sums)| merchant_update(*day, slot, sums));
        self.update(session, MERCHANT_DAYS, updates.collect()).await
    }

    /// A customer's statements within `days` and before the day `before`, newest first.
    pub(crate) async fn of_user(
        &self,
        user: UserId,
        days: DayRange,
        before: Option<Date>,
        limit: u32,
        deadline: Deadline,
    ) -> Result<Vec<Statement>, mongo::Error> {
        let mut range = doc! { "$gte": days.from.to_string(), "$lte": days.to.to_string() };
        if let Some(before) = before {
            range.insert("$lt", before.to_string());
        }
        let filter = doc! { "_id.userId": user_key(user), "_id.day": range };
        let newest_first = doc! { "_id.userId": 1, "_id.day": -1 };
        let find = |left| self.statements.find(filter).sort(newest_first).limit(limit.into()).max_time(left);
        let cursor = bounded(deadline, find).await?;
        let stored: Vec<StatementDocument> = bounded(deadline, |_| cursor.try_collect()).await?;
        Ok(stored.into_iter().map(Statement::try_from).collect::<Result<_, _>>()?)
    }

    /// The merchant's days within `days`.
    pub(crate) async fn merchant_days(
        &self,
        days: DayRange,
        deadline: Deadline,
    ) -> Result<BTreeMap<Date, MerchantDay>, mongo::Error> {
        let filter = doc! { "_id.day": { "$gte": days.from.to_string(), "$lte": days.to.to_string() } };
        let cursor = bounded(deadline, |left| self.merchant_days.find(filter).max_time(left)).await?;
        // At most 366 days of 64 slots.
        let slots: Vec<MerchantDocument> = bounded(deadline, |_| cursor.try_collect()).await?;
        let mut sums = BTreeMap::<Date, MerchantDay>::new();
        for slot in slots {
            slot.add_to(sums.entry(slot.day()?).or_default());
        }
        Ok(sums)
    }

    /// Runs updates as one command, which the driver does not offer for a collection in a transaction.
    async fn update(
        &self,
        session: &mut ClientSession,
        collection: &str,
        updates: Vec<Document>,
    ) -> Result<(), DriverError> {
        if updates.is_empty() {
            return Ok(());
        }
        let command = doc! { "update": collection, "updates": updates };
        let reply = self.db.database().run_command(command).session(session).await?;
        match reply.get_array("writeErrors") {
            Ok(errors) => Err(DriverError::custom(format!("{collection} can't be updated: {errors:?}"))),
            Err(_) => Ok(()),
        }
    }
}
