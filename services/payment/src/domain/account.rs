//! Accounts and the ledger of their entries.
//!
//! Each entry holds its number within the account, counted from 1 without gaps, and the balance after it. A posting
//! is refused unless the account agrees with its last entry in both. By induction that makes the balance the sum of
//! all entries, at the cost of reading one: entry 1 starts from 0, and each later one adds its delta to a balance
//! that was checked against the entry before. `nines verify` adds the entries up in full.

use std::num::NonZeroI64;
use std::time::Duration;

use jiff::Timestamp;
use primitives::{Currency, EntryId, Money, OrderId, PaymentId, UserId};

/// The highest balance that a deposit may lead to, in minor units.
pub(crate) const MAX_BALANCE: i64 = 1_000_000_000_000_000;
/// The least time between two entries of an account: what stored times can tell apart.
const TICK: Duration = Duration::from_millis(1);
/// The largest single deposit, in minor units.
pub(crate) const MAX_DEPOSIT: i64 = 1_000_000_000_000;

/// A user's money at the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// Whose it is.
    pub(crate) owner: UserId,
    /// Never negative.
    pub(crate) balance: Money,
    /// The number of its last entry; 0 before the first.
    pub(crate) version: u64,
}

/// What an account holds, and since when that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Balance {
    /// Never negative.
    pub(crate) money: Money,
    /// The balance counts every change that was finished at this time.
    pub(crate) as_of: Timestamp,
}

/// One change of an account. Entries are never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Unique.
    pub(crate) id: EntryId,
    /// Whose account.
    pub(crate) owner: UserId,
    /// Counts from 1 without gaps within the account.
    pub(crate) sequence: u64,
    /// What was added or, when negative, taken; in minor units.
    pub(crate) delta: NonZeroI64,
    /// Why, and for which payment.
    pub(crate) kind: EntryKind,
    /// The balance that this entry leads to, in minor units.
    pub(crate) balance_after: i64,
    /// When.
    pub(crate) created_at: Timestamp,
}

/// Why an account changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// An admin paid money in.
    Deposit,
    /// An order was paid.
    Payment(OrderId, PaymentId),
    /// An order's payment was given back.
    Refund(OrderId, PaymentId),
}

/// A change that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Posting {
    /// Above 0; the kind says whether it is added or taken.
    pub(crate) amount: Money,
    /// Why.
    pub(crate) kind: EntryKind,
}

/// Why a posting is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PostingError {
    /// The balance does not cover it.
    #[error("the balance does not cover the payment")]
    InsufficientFunds,
    /// The balance would go over its limit.
    #[error("the balance would be too large")]
    TooLarge,
    /// The account does not agree with its last entry, or is in another currency: nothing may be posted before a
    /// person has looked.
    #[error("the account {0} does not agree with its ledger")]
    Disagrees(UserId),
}

impl Account {
    /// An account before its first entry.
    pub(crate) fn empty(owner: UserId, currency: Currency) -> Self {
        Self { owner, balance: Money::new(0, currency), version: 0 }
    }

    /// The account and the entry after a posting, given the account's last entry.
    ///
    /// # Errors
    /// See [`PostingError`]; refunds have no upper limit but that of the type, since they give back what was there.
    pub(crate) fn post(
        &self,
        last: Option<&Entry>,
        posting: Posting,
        at: Timestamp,
    ) -> Result<(Self, Entry), PostingError> {
        self.check_against(last, posting)?;
        let amount = posting.amount.amount();
        let signed = match posting.kind {
            EntryKind::Deposit | EntryKind::Refund(..) => amount,
            EntryKind::Payment(..) => -amount,
        };
        let balance = self.balance.amount().checked_add(signed).ok_or(PostingError::TooLarge)?;
        if balance < 0 {
            return Err(PostingError::InsufficientFunds);
        }
        if posting.kind == EntryKind::Deposit && balance > MAX_BALANCE {
            return Err(PostingError::TooLarge);
        }
        let delta = NonZeroI64::new(signed).ok_or(PostingError::Disagrees(self.owner))?;
        let account =
            Self { balance: Money::new(balance, self.balance.currency()), version: self.version + 1, ..*self };
        let entry = Entry {
            id: EntryId::new(),
            owner: self.owner,
            sequence: account.version,
            delta,
            kind: posting.kind,
            balance_after: balance,
            // After the entry before, however the clocks of replicas differ.
            created_at: last.map_or(at, |last| at.max(last.created_at + TICK)),
        };
        Ok((account, entry))
    }

    fn check_against(&self, last: Option<&Entry>, posting: Posting) -> Result<(), PostingError> {
        let (sequence, balance) = last.map_or((0, 0), |entry| (entry.sequence, entry.balance_after));
        let agrees = self.version == sequence
            && self.balance.amount() == balance
            && self.balance.currency() == posting.amount.currency()
            && posting.amount.amount() > 0;
        if agrees { Ok(()) } else { Err(PostingError::Disagrees(self.owner)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::UNIX_EPOCH;

    fn deposit(amount: i64) -> Posting {
        Posting { amount: Money::new(amount, Currency::USD), kind: EntryKind::Deposit }
    }

    fn payment(amount: i64) -> Posting {
        let kind = EntryKind::Payment(OrderId::new(), PaymentId::new());
        Posting { amount: Money::new(amount, Currency::USD), kind }
    }

    #[test]
    fn every_entry_carries_the_ledger_on() {
        let account = Account::empty(UserId::new(), Currency::USD);
        let (account, first) = account.post(None, deposit(500), AT).unwrap();
        let (account, second) = account.post(Some(&first), payment(200), AT).unwrap();
        assert_eq!((first.sequence, first.delta.get(), first.balance_after), (1, 500, 500));
        assert_eq!((second.sequence, second.delta.get(), second.balance_after), (2, -200, 300));
        assert_eq!((account.balance.amount(), account.version), (300, 2));
        assert!(first.created_at < second.created_at, "though a clock stood still");
    }

    #[test]
    fn a_balance_is_never_negative_and_never_too_large() {
        let account = Account::empty(UserId::new(), Currency::USD);
        assert_eq!(account.post(None, payment(1), AT), Err(PostingError::InsufficientFunds));
        let (full, entry) = account.post(None, deposit(MAX_BALANCE), AT).unwrap();
        assert_eq!(full.post(Some(&entry), deposit(1), AT), Err(PostingError::TooLarge));
        assert!(full.post(Some(&entry), payment(MAX_BALANCE), AT).is_ok());
        let kind = EntryKind::Refund(OrderId::new(), PaymentId::new());
        let refund = Posting { amount: Money::new(1, Currency::USD), kind };
        assert!(full.post(Some(&entry), refund, AT).is_ok(), "what was taken can be given back");
    }

    #[test]
    fn nothing_is_posted_to_an_account_that_disagrees_with_its_ledger() {
        let owner = UserId::new();
        let (account, entry) = Account::empty(owner, Currency::USD).post(None, deposit(500), AT).unwrap();
        let refused = Err(PostingError::Disagrees(owner));
        assert_eq!(account.post(None, deposit(1), AT), refused);
        let richer = Account { balance: Money::new(501, Currency::USD), ..account.clone() };
        assert_eq!(richer.post(Some(&entry), deposit(1), AT), refused);
        let ahead = Account { version: 2, ..account.clone() };
        assert_eq!(ahead.post(Some(&entry), deposit(1), AT), refused);
        let euros = Posting { amount: Money::new(1, "EUR".parse().unwrap()), kind: EntryKind::Deposit };
        assert_eq!(account.post(Some(&entry), euros, AT), refused);
    }
}
