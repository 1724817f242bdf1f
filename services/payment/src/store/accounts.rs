//! Accounts and their entries: changed together, in one transaction, and only here.

use std::sync::Arc;

use futures::FutureExt as _;
use idempotency::{Answer, ScopedKey};
use messaging::Event;
use mongo::{Abort, ConvertError, Error, bounded, to_bson_time};
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use primitives::{Money, UserId};
use service::Deadline;

use super::documents::{AccountDocument, BalanceDocument, EntryDocument};
use super::{Refusal, Store, Written, account_key, unreadable};
use crate::domain::{Account, Balance, Entry, EntryKind, Posting, PostingError};
use crate::events;

/// A deposit that an idempotency key was given for.
#[derive(Debug)]
pub(crate) struct KeyedDeposit {
    /// Its idempotency key.
    pub(crate) key: ScopedKey,
    /// The request that asks for it.
    pub(crate) request_id: String,
    /// Whose account.
    pub(crate) owner: UserId,
    /// Above 0.
    pub(crate) amount: Money,
}

/// A posting that has been checked and not been written.
pub(super) struct Prepared {
    account: Account,
    entry: Entry,
}

impl Store {
    /// What an account holds; `None` before its first entry. Linearizable.
    pub(crate) async fn balance(&self, owner: UserId, deadline: Deadline) -> Result<Option<Money>, Error> {
        let filter = doc! { "_id": account_key(owner) };
        let found = bounded(deadline, |left| self.balances.find_one(filter).max_time(left)).await?;
        Ok(found.map(Account::try_from).transpose()?.map(|account| account.balance))
    }

    /// The answer that a deposit with this key was given before, if any.
    ///
    /// # Errors
    /// `IDEMPOTENCY_KEY_REUSED`.
    pub(crate) async fn find_deposit(
        &self,
        key: &ScopedKey,
        deadline: Deadline,
    ) -> Result<Option<Answer<Balance>>, envelope::Error> {
        let Some(answer) = self.deposits.find(key, deadline).await? else { return Ok(None) };
        let balance = Balance::try_from(answer.value).map_err(Error::from)?;
        Ok(Some(Answer { value: balance, replay_of: answer.replay_of }))
    }

    /// Adds money to an account, which is opened when it is the first, and keeps the answer with the key.
    pub(crate) async fn deposit(&self, deposit: KeyedDeposit, deadline: Deadline) -> Written<Balance> {
        let store = self.clone();
        let deposit = Arc::new(deposit);
        self.db
            .transact(deadline, move |session| {
                let (store, deposit) = (store.clone(), Arc::clone(&deposit));
                async move { store.write_deposit(session, &deposit).await }.boxed()
            })
            .await
    }

    /// The record is the first write, so that a conflict there can only come from a twin; the answer in it needs the
    /// account to be read before.
    async fn write_deposit(
        &self,
        session: &mut ClientSession,
        deposit: &KeyedDeposit,
    ) -> Result<Balance, Abort<Refusal>> {
        let posting = Posting { amount: deposit.amount, kind: EntryKind::Deposit };
        let prepared = self.prepare(session, deposit.owner, posting).await?;
        let balance = Balance { money: prepared.account.balance, as_of: prepared.entry.created_at };
        let answer = BalanceDocument::from(&balance);
        self.deposits.record(session, &deposit.key, &deposit.request_id, &answer).await?;
        let event = self.write(session, &prepared).await?;
        self.outbox.write(session, [event]).await?;
        Ok(balance)
    }

    /// Changes an account in the caller's transaction, and gives the event of it.
    pub(super) async fn post(
        &self,
        session: &mut ClientSession,
        owner: UserId,
        posting: Posting,
    ) -> Result<Event, Abort<Refusal>> {
        let prepared = self.prepare(session, owner, posting).await?;
        self.write(session, &prepared).await
    }

    /// Reads the account with its last entry and applies the rules.
    async fn prepare(
        &self,
        session: &mut ClientSession,
        owner: UserId,
        posting: Posting,
    ) -> Result<Prepared, Abort<Refusal>> {
        let key = account_key(owner);
        let account = self.accounts.find_one(doc! { "_id": key }).session(&mut *session).await?;
        let last_first = doc! { "accountId": 1, "sequence": -1 };
        let last = self.entries.find_one(doc! { "accountId": key }).sort(last_first).session(session).await?;
        let account = match account {
            Some(document) => Account::try_from(document).map_err(unreadable)?,
            None => Account::empty(owner, posting.amount.currency()),
        };
        let last = last.map(Entry::try_from).transpose().map_err(unreadable)?;
        let posted = account.post(last.as_ref(), posting, primitives::now());
        let (account, entry) = posted.map_err(|error| Abort::Refused(error.into()))?;
        Ok(Prepared { account, entry })
    }

    /// The update is conditional on what was read and on a balance that covers it: the snapshot sees to both, and this
    /// keeps being true should anybody ever call it without one.
    async fn write(&self, session: &mut ClientSession, prepared: &Prepared) -> Result<Event, Abort<Refusal>> {
        let Prepared { account, entry } = prepared;
        let document = AccountDocument::new(account, entry.created_at).map_err(unreadable)?;
        if entry.sequence == 1 {
            self.accounts.insert_one(document).session(&mut *session).await?;
        } else {
            let (filter, update) = conditional(entry).map_err(unreadable)?;
            let updated = self.accounts.update_one(filter, update).session(&mut *session).await?;
            if updated.matched_count != 1 {
                return Err(Abort::Refused(PostingError::Disagrees(account.owner).into()));
            }
        }
        let document = EntryDocument::new(entry).map_err(unreadable)?;
        self.entries.insert_one(document).session(session).await?;
        Ok(events::of_entry(entry, account.balance.currency()))
    }
}

fn conditional(entry: &Entry) -> Result<(Document, Document), ConvertError> {
    let delta = entry.delta.get();
    let version_before = mongo::to_i64("entry sequence", entry.sequence)? - 1;
    let filter = doc! {
        "_id": account_key(entry.owner),
        "version": version_before,
        "balance": { "$gte": 0.max(-delta) },
    };
    let update = doc! {
        "$inc": { "balance": delta, "version": 1_i64 },
        "$set": { "updatedAt": to_bson_time(entry.created_at) },
    };
    Ok((filter, update))
}
