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

use super::{Payment, Refusal};

/// The highest balance that a deposit may lead to, in minor units.
const MAX_BALANCE: i64 = 1_000_000_000_000_000;
/// The largest single deposit, in minor units.
const MAX_DEPOSIT: i64 = 1_000_000_000_000;
/// The least time between two entries of an account: the precision of stored times.
const TICK: Duration = Duration::from_millis(1);

/// A user's money at the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// The user.
    pub(crate) owner: UserId,
    /// Never negative.
    pub(crate) balance: Money,
    /// The number of its last entry; 0 before the first.
    pub(crate) version: u64,
}

/// The balance of an account at a time.
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
    /// The account's owner.
    pub(crate) owner: UserId,
    /// Counts from 1 without gaps within the account.
    pub(crate) sequence: u64,
    /// The amount added or, when negative, taken; in minor units.
    pub(crate) delta: NonZeroI64,
    /// The cause, and the payment that it belongs to.
    pub(crate) kind: EntryKind,
    /// The balance that this entry leads to, in minor units.
    pub(crate) balance_after: i64,
    /// When it was posted; later than the entry before it.
    pub(crate) created_at: Timestamp,
}

/// Why an account changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// An administrator paid money in.
    Deposit,
    /// An order was paid.
    Payment(OrderId, PaymentId),
    /// An order's payment was given back.
    Refund(OrderId, PaymentId),
}

/// A change of an account to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Posting {
    /// Above 0; the kind says whether it is added or taken.
    amount: Money,
    /// The cause.
    kind: EntryKind,
}

/// An account and its last entry, read at one moment. A user without entries has no account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// The account.
    pub(crate) account: Option<Account>,
    /// Its last entry.
    pub(crate) last: Option<Entry>,
}

/// An account and its new entry, to be written together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Posted {
    /// The account after the entry.
    pub(crate) account: Account,
    /// The entry.
    pub(crate) entry: Entry,
}

impl EntryKind {
    /// The names of all kinds.
    pub(crate) const NAMES: [&'static str; 3] = ["deposit", "payment", "refund"];

    /// The name in the database.
    pub(crate) fn name(self) -> &'static str {
        let [deposit, payment, refund] = Self::NAMES;
        match self {
            Self::Deposit => deposit,
            Self::Payment(..) => payment,
            Self::Refund(..) => refund,
        }
    }

    /// The order and the payment that it belongs to.
    pub(crate) fn payment(self) -> Option<(OrderId, PaymentId)> {
        match self {
            Self::Deposit => None,
            Self::Payment(order, payment) | Self::Refund(order, payment) => Some((order, payment)),
        }
    }

    /// The kind of that name and payment; `None` when they do not fit together.
    pub(crate) fn from_parts(name: &str, payment: Option<(OrderId, PaymentId)>) -> Option<Self> {
        let kind = match payment {
            None => Self::Deposit,
            Some((order, payment)) if name == Self::NAMES[1] => Self::Payment(order, payment),
            Some((order, payment)) => Self::Refund(order, payment),
        };
        (kind.name() == name).then_some(kind)
    }
}

impl Posting {
    /// A deposit by an administrator.
    ///
    /// # Errors
    /// `WrongCurrency` unless it is in the shop's currency; `AmountOutOfRange` outside 1 to 10^12.
    pub(crate) fn deposit(amount: Money, shop: Currency) -> Result<Self, Refusal> {
        if amount.currency() != shop {
            return Err(Refusal::WrongCurrency(shop));
        }
        if !(1..=MAX_DEPOSIT).contains(&amount.amount()) {
            return Err(Refusal::AmountOutOfRange("must be 1 to 10^12"));
        }
        Ok(Self { amount, kind: EntryKind::Deposit })
    }

    /// Takes a payment's amount from its owner's account.
    pub(super) fn payment(payment: &Payment) -> Self {
        Self { amount: payment.amount, kind: EntryKind::Payment(payment.order_id, payment.id) }
    }

    /// Gives a payment's amount back to its owner's account.
    pub(super) fn refund(payment: &Payment) -> Self {
        Self { amount: payment.amount, kind: EntryKind::Refund(payment.order_id, payment.id) }
    }

    /// The amount added to the balance or, when negative, taken from it.
    pub(super) fn delta(self) -> i64 {
        match self.kind {
            EntryKind::Deposit | EntryKind::Refund(..) => self.amount.amount(),
            EntryKind::Payment(..) => -self.amount.amount(),
        }
    }
}

impl Ledger {
    /// The account and the entry after a posting. The first posting opens the account.
    ///
    /// # Errors
    /// `InsufficientFunds`; `AmountOutOfRange` when a deposit would take the balance over 10^15 (refunds have no limit
    /// but that of the type, since they give back what was there); `LedgerDisagrees`.
    pub(crate) fn post(&self, owner: UserId, posting: Posting, at: Timestamp) -> Result<Posted, Refusal> {
        let (version, balance) = self.check(owner, posting)?;
        let delta = NonZeroI64::new(posting.delta()).ok_or(Refusal::LedgerDisagrees(owner))?;
        let too_large = Refusal::AmountOutOfRange("would take the balance over 10^15");
        let balance_after = balance.checked_add(delta.get()).ok_or(too_large.clone())?;
        if balance_after < 0 {
            return Err(Refusal::InsufficientFunds);
        }
        if posting.kind == EntryKind::Deposit && balance_after > MAX_BALANCE {
            return Err(too_large);
        }
        let money = Money::new(balance_after, posting.amount.currency());
        let account = Account { owner, balance: money, version: version + 1 };
        let entry = Entry {
            id: EntryId::new(),
            owner,
            sequence: account.version,
            delta,
            kind: posting.kind,
            balance_after,
            // After the entry before, however the clocks of replicas differ.
            created_at: self.last.as_ref().map_or(at, |last| at.max(last.created_at + TICK)),
        };
        Ok(Posted { account, entry })
    }

    /// The account's version and balance, when they agree with the last entry and with the posting's currency.
    fn check(&self, owner: UserId, posting: Posting) -> Result<(u64, i64), Refusal> {
        let stated = self.account.as_ref().map_or((0, 0), |account| (account.version, account.balance.amount()));
        let proven = self.last.as_ref().map_or((0, 0), |entry| (entry.sequence, entry.balance_after));
        let currency = posting.amount.currency();
        let one_currency = self.account.as_ref().is_none_or(|account| account.balance.currency() == currency);
        if stated == proven && one_currency && posting.amount.amount() > 0 {
            Ok(stated)
        } else {
            Err(Refusal::LedgerDisagrees(owner))
        }
    }
}

impl Posted {
    /// Whether this is the first entry of the account.
    pub(crate) fn opens_account(&self) -> bool {
        self.entry.sequence == 1
    }

    /// The balance after the entry.
    pub(crate) fn balance(&self) -> Balance {
        Balance { money: self.account.balance, as_of: self.entry.created_at }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::domain::Order;
    use crate::domain::payment::tests::order;

    const AT: Timestamp = Timestamp::UNIX_EPOCH;
    const EMPTY: Ledger = Ledger { account: None, last: None };

    fn usd(amount: i64) -> Money {
        Money::new(amount, Currency::USD)
    }

    fn deposit(amount: i64) -> Posting {
        Posting { amount: usd(amount), kind: EntryKind::Deposit }
    }

    fn paid(amount: i64) -> Payment {
        Payment::from_balance(&Order { amount: usd(amount), ..order() }, AT)
    }

    fn payment(amount: i64) -> Posting {
        Posting::payment(&paid(amount))
    }

    fn refund(amount: i64) -> Posting {
        Posting::refund(&paid(amount))
    }

    fn after(posted: Posted) -> Ledger {
        Ledger { account: Some(posted.account), last: Some(posted.entry) }
    }

    fn ledger_of(owner: UserId, amount: i64) -> Ledger {
        after(EMPTY.post(owner, deposit(amount), AT).unwrap())
    }

    #[test]
    fn each_entry_continues_the_ledger() {
        let owner = UserId::new();
        let first = EMPTY.post(owner, deposit(500), AT).unwrap();
        let second = after(first.clone()).post(owner, payment(200), AT).unwrap();
        assert!(first.opens_account() && !second.opens_account());
        let (one, two) = (&first.entry, &second.entry);
        assert_eq!((one.sequence, one.delta.get(), one.balance_after), (1, 500, 500));
        assert_eq!((two.sequence, two.delta.get(), two.balance_after), (2, -200, 300));
        assert_eq!(second.account, Account { owner, balance: usd(300), version: 2 });
        assert!(one.created_at < two.created_at, "although the clock stood still");
        assert_eq!(second.balance(), Balance { money: usd(300), as_of: two.created_at });
    }

    #[test]
    fn a_balance_is_never_negative_and_never_too_large() {
        let owner = UserId::new();
        assert_eq!(EMPTY.post(owner, payment(1), AT), Err(Refusal::InsufficientFunds));
        let full = ledger_of(owner, MAX_BALANCE);
        assert!(matches!(full.post(owner, deposit(1), AT), Err(Refusal::AmountOutOfRange(_))));
        assert!(full.post(owner, payment(MAX_BALANCE), AT).is_ok());
        assert!(full.post(owner, refund(1), AT).is_ok(), "what was taken can be given back");
        assert!(matches!(full.post(owner, refund(i64::MAX), AT), Err(Refusal::AmountOutOfRange(_))));
    }

    #[test]
    fn nothing_is_posted_to_an_account_that_disagrees_with_its_ledger() {
        let owner = UserId::new();
        let ledger = ledger_of(owner, 500);
        let account = ledger.account.clone().unwrap();
        let refused = Err(Refusal::LedgerDisagrees(owner));
        let without_entry = Ledger { last: None, ..ledger.clone() };
        let without_account = Ledger { account: None, ..ledger.clone() };
        let richer = Account { balance: usd(501), ..account.clone() };
        let ahead = Account { version: 2, ..account };
        let with = |account| Ledger { account: Some(account), ..ledger.clone() };
        for disagreeing in [without_entry, without_account, with(richer), with(ahead)] {
            assert_eq!(disagreeing.post(owner, deposit(1), AT), refused, "{disagreeing:?}");
        }
        let euros = Posting { amount: Money::new(1, "EUR".parse().unwrap()), kind: EntryKind::Deposit };
        assert_eq!(ledger.post(owner, euros, AT), refused);
        assert_eq!(ledger.post(owner, deposit(0), AT), refused);
    }

    #[test]
    fn a_deposit_is_bounded_and_in_the_shops_currency() {
        for amount in [1, MAX_DEPOSIT] {
            assert_eq!(Posting::deposit(usd(amount), Currency::USD), Ok(deposit(amount)));
        }
        for amount in [i64::MIN, -1, 0, MAX_DEPOSIT + 1, i64::MAX] {
            let refused = Posting::deposit(usd(amount), Currency::USD);
            assert!(matches!(refused, Err(Refusal::AmountOutOfRange(_))), "{amount}");
        }
        let euro = "EUR".parse().unwrap();
        assert_eq!(Posting::deposit(usd(1), euro), Err(Refusal::WrongCurrency(euro)));
    }

    #[test]
    fn a_stored_kind_is_read_back_only_with_what_belongs_to_it() {
        let of = Some((OrderId::new(), PaymentId::new()));
        for kind in [deposit(1).kind, payment(1).kind, refund(1).kind] {
            assert_eq!(EntryKind::from_parts(kind.name(), kind.payment()), Some(kind));
        }
        for (name, payment) in [("deposit", of), ("payment", None), ("refund", None), ("", None), ("gift", of)] {
            assert_eq!(EntryKind::from_parts(name, payment), None, "{name}");
        }
    }

    proptest! {
        /// Postings of each kind in any order, refused or not.
        #[test]
        fn a_balance_is_the_sum_of_its_entries_whatever_is_posted(
            postings in proptest::collection::vec((0_u8..3, 1_i64..1_000, -5_i64..5), 0..50),
        ) {
            let owner = UserId::new();
            let (mut ledger, mut sum, mut count) = (EMPTY, 0, 0);
            for (kind, amount, milliseconds) in postings {
                let posting = [deposit(amount), payment(amount), refund(amount)][usize::from(kind)];
                let at = Timestamp::from_millisecond(milliseconds).unwrap();
                match ledger.post(owner, posting, at) {
                    Ok(posted) => {
                        sum += posting.delta();
                        count += 1;
                        prop_assert!(ledger.last.is_none_or(|last| last.created_at < posted.entry.created_at));
                        ledger = after(posted);
                    }
                    Err(refusal) => {
                        prop_assert_eq!(refusal, Refusal::InsufficientFunds);
                        prop_assert!(sum + posting.delta() < 0);
                    }
                }
                let account = ledger.account.as_ref();
                prop_assert_eq!(account.map_or((0, 0), |at| (at.version, at.balance.amount())), (count, sum));
                prop_assert!(sum >= 0);
            }
        }
    }
}
