//! Accounts and their entries. Both change in one transaction, and only here.

use std::sync::Arc;

use futures::FutureExt as _;
use idempotency::{Answer, ScopedKey};
use mongo::{Abort, ConvertError, bounded, to_bson_time};
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use primitives::{Money, UserId};
use service::Deadline;

use super::documents::{AccountDocument, BalanceDocument, EntryDocument};
use super::{Store, Written, account_key, unreadable};
use crate::domain::{Account, Balance, Entry, Event, Ledger, Posted, Posting, Refusal};

/// A deposit with its idempotency key.
#[derive(Debug)]
pub(crate) struct KeyedDeposit {
    /// Its idempotency key.
    pub(crate) key: ScopedKey,
    /// The id of the request.
    pub(crate) request_id: String,
    /// The account's owner.
    pub(crate) owner: UserId,
    /// The change of the account.
    pub(crate) posting: Posting,
}

impl Store {
    /// The balance of an account, read linearizably; `None` before its first entry.
    pub(crate) async fn balance(&self, owner: UserId, deadline: Deadline) -> Result<Option<Money>, mongo::Error> {
        let filter = doc! { "_id": account_key(owner) };
        let found = bounded(deadline, |left| self.balances.find_one(filter).max_time(left)).await?;
        Ok(found.map(Account::try_from).transpose()?.map(|account| account.balance))
    }

    /// The answer to an earlier deposit with this key, if any.
    ///
    /// # Errors
    /// `IDEMPOTENCY_KEY_REUSED` when it was for another deposit.
    pub(crate) async fn find_deposit(
        &self,
        key: &ScopedKey,
        deadline: Deadline,
    ) -> Result<Option<Answer<Balance>>, envelope::Error> {
        let Some(answer) = self.deposits.find(key, deadline).await? else { return Ok(None) };
        let balance = Balance::try_from(answer.value).map_err(mongo::Error::from)?;
        Ok(Some(Answer { value: balance, replay_of: answer.replay_of }))
    }

    /// Makes a deposit and stores the answer with the key.
    ///
    /// # Errors
    /// [`Refusal::Key`] when a request with the same key is running or has just finished, or as [`Ledger::post`].
    pub(crate) async fn deposit(&self, deposit: KeyedDeposit, deadline: Deadline) -> Written<Balance> {
        let store = self.clone();
        let deposit = Arc::new(deposit);
        let written = self.db.transact(deadline, move |session| {
            let (store, deposit) = (store.clone(), Arc::clone(&deposit));
            async move { store.write_deposit(session, &deposit).await }.boxed()
        });
        Ok(written.await?)
    }

    /// The record is written first, so that a conflict on it can only come from a concurrent duplicate. Its answer
    /// needs the balance, so the account is read before.
    async fn write_deposit(
        &self,
        session: &mut ClientSession,
        deposit: &KeyedDeposit,
    ) -> Result<Balance, Abort<Refusal>> {
        let posted = self.prepare(session, deposit.owner, deposit.posting).await?;
        let answer = BalanceDocument::from(&posted.balance());
        self.deposits.record(session, &deposit.key, &deposit.request_id, &answer).await?;
        self.write(session, &posted).await?;
        self.publish(session, [Event::of_posted(&posted)]).await?;
        Ok(posted.balance())
    }

    /// Changes an account in the caller's transaction. The caller publishes the event.
    pub(super) async fn post(
        &self,
        session: &mut ClientSession,
        owner: UserId,
        posting: Posting,
    ) -> Result<Posted, Abort<Refusal>> {
        let posted = self.prepare(session, owner, posting).await?;
        self.write(session, &posted).await?;
        Ok(posted)
    }

    /// Reads the account with its last entry and has the domain decide.
    async fn prepare(
        &self,
        session: &mut ClientSession,
        owner: UserId,
        posting: Posting,
    ) -> Result<Posted, Abort<Refusal>> {
        let key = account_key(owner);
        let account = self.accounts.find_one(doc! { "_id": key }).session(&mut *session).await?;
        let last_first = doc! { "accountId": 1, "sequence": -1 };
        let last = self.entries.find_one(doc! { "accountId": key }).sort(last_first).session(session).await?;
        let ledger = Ledger {
            account: account.map(Account::try_from).transpose().map_err(unreadable)?,
            last: last.map(Entry::try_from).transpose().map_err(unreadable)?,
        };
        ledger.post(owner, posting, primitives::now()).map_err(Abort::Refused)
    }

    /// The update is conditional on the version that was read and on a balance that covers it. The snapshot ensures
    /// both; the condition keeps the books right should this ever run without one.
    async fn write(&self, session: &mut ClientSession, posted: &Posted) -> Result<(), Abort<Refusal>> {
        let Posted { account, entry } = posted;
        let document = AccountDocument::new(account, entry.created_at).map_err(unreadable)?;
        if posted.opens_account() {
            self.accounts.insert_one(document).session(&mut *session).await?;
        } else {
            let (filter, update) = conditional(entry).map_err(unreadable)?;
            let updated = self.accounts.update_one(filter, update).session(&mut *session).await?;
            if updated.matched_count != 1 {
                return Err(Abort::Refused(Refusal::LedgerDisagrees(account.owner)));
            }
        }
        let document = EntryDocument::new(entry).map_err(unreadable)?;
        self.entries.insert_one(document).session(session).await?;
        Ok(())
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
