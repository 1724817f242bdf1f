//! Payments against account entries, and the entries of an account against each other.

use primitives::{EntryId, PaymentId, UserId};

use super::orders::{Payment, PaymentStatus};
use crate::domain::finding::{Difference, Finding};

/// The cause of an account entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A deposit.
    Deposit,
    /// A payment from the account.
    Payment(PaymentId),
    /// A refund of a payment.
    Refund(PaymentId),
}

/// An entry of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountEntry {
    /// Its id.
    pub id: EntryId,
    /// The owner of the account.
    pub owner: UserId,
    /// Its number in the account, from 1.
    pub sequence: u64,
    /// Minor units added or, when negative, taken.
    pub delta: i64,
    /// The balance after it.
    pub balance_after: i64,
    /// Its cause.
    pub kind: EntryKind,
}

/// An account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The owner.
    pub owner: UserId,
    /// Minor units.
    pub balance: i64,
    /// The number of its last entry.
    pub version: u64,
}

/// Compares an account with its last entry; `None` is a side without a document.
pub fn account(owner: UserId, account: Option<&Account>, last: Option<&AccountEntry>) -> Option<Finding> {
    let actual = account.map(|account| (account.version, account.balance));
    let expected = last.map(|last| (last.sequence, last.balance_after));
    let describe = |side: Option<(u64, i64)>| match side {
        Some((sequence, balance)) => format!("{sequence} entries and a balance of {balance}"),
        None => "no account".to_owned(),
    };
    (actual != expected).then(|| Finding::new(Difference::AccountDiffers, owner, describe(expected), describe(actual)))
}

/// Compares a payment with the entries that name it, all settled; `payment` is `None` when it does not exist. A
/// captured payment from an account has an entry that debits its amount, a refunded one also an entry that credits it.
pub fn entries_of_payment(payment: Option<Payment>, entries: &[AccountEntry]) -> Vec<Finding> {
    let payment = payment.filter(|payment| payment.from_account);
    let (mut debit, mut credit) = match payment.map(|payment| payment.status) {
        Some(PaymentStatus::Captured) => (true, false),
        Some(PaymentStatus::Refunded) => (true, true),
        Some(PaymentStatus::NotTaken) | None => (false, false),
    };
    let amount = payment.map_or(0, |payment| payment.amount);
    let mut findings = Vec::new();
    for entry in entries {
        let accounted = match entry.kind {
            EntryKind::Deposit => true,
            EntryKind::Payment(_) => entry.delta == -amount && std::mem::take(&mut debit),
            EntryKind::Refund(_) => entry.delta == amount && std::mem::take(&mut credit),
        };
        if !accounted {
            let expected = payment.map_or_else(
                || "a payment from an account".to_owned(),
                |payment| format!("payment {} of {amount}, {:?}", payment.id, payment.status),
            );
            let found = format!("an entry of {}: {:?}", entry.delta, entry.kind);
            findings.push(Finding::new(Difference::EntryWithoutPayment, entry.id, expected, found));
        }
    }
    if let Some(payment) = payment.filter(|_| debit || credit) {
        let missing = match (debit, credit) {
            (true, true) => "neither entry",
            (true, false) => "no entry that debits it",
            _ => "no entry that credits it",
        };
        let expected = format!("entries for {amount}, {:?}", payment.status);
        findings.push(Finding::new(Difference::PaymentWithoutEntry, payment.id, expected, missing));
    }
    findings
}

/// The entries of an order by the payment that they name, and, with `None`, those that name no payment of the order.
pub fn entries_by_payment(payments: &[Payment], entries: &[AccountEntry]) -> Vec<(Option<Payment>, Vec<AccountEntry>)> {
    let named = |entry: &AccountEntry| match entry.kind {
        EntryKind::Deposit => None,
        EntryKind::Payment(payment) | EntryKind::Refund(payment) => Some(payment),
    };
    let is_known = |entry: &AccountEntry| payments.iter().any(|payment| named(entry) == Some(payment.id));
    let of_payment = |payment: &Payment| {
        let entries = entries.iter().filter(|entry| named(entry) == Some(payment.id));
        (Some(*payment), entries.copied().collect())
    };
    let mut grouped: Vec<_> = payments.iter().map(of_payment).collect();
    let strays: Vec<_> = entries.iter().filter(|entry| !is_known(entry)).copied().collect();
    if !strays.is_empty() {
        grouped.push((None, strays));
    }
    grouped
}

/// Compares an entry with the one before it in the same account; `None` before the first.
pub fn chain(before: Option<&AccountEntry>, entry: &AccountEntry) -> Option<Finding> {
    let sequence = before.map_or(0, |before| before.sequence).saturating_add(1);
    let balance = before.map_or(0, |before| before.balance_after).saturating_add(entry.delta);
    let is_next = entry.sequence == sequence && entry.balance_after == balance;
    let describe = |sequence, balance| format!("entry {sequence} with a balance of {balance}");
    (!is_next).then(|| {
        let found = describe(entry.sequence, entry.balance_after);
        Finding::new(Difference::AccountDiffers, entry.owner, describe(sequence, balance), found)
    })
}

#[cfg(test)]
mod tests {
    use primitives::OrderId;

    use super::*;

    fn payment(status: PaymentStatus) -> Payment {
        Payment {
            id: PaymentId::new(),
            order: OrderId::new(),
            status,
            amount: 300,
            from_account: true,
            refunding: false,
        }
    }

    fn entry(kind: EntryKind, delta: i64) -> AccountEntry {
        AccountEntry { id: EntryId::new(), owner: UserId::new(), sequence: 1, delta, balance_after: delta, kind }
    }

    fn kinds(payment: Option<Payment>, entries: &[AccountEntry]) -> Vec<Difference> {
        entries_of_payment(payment, entries).into_iter().map(|finding| finding.difference).collect()
    }

    #[test]
    fn payments_with_their_entries_are_equal() {
        let (captured, refunded) = (payment(PaymentStatus::Captured), payment(PaymentStatus::Refunded));
        assert_eq!(kinds(Some(captured), &[entry(EntryKind::Payment(captured.id), -300)]), []);
        let both = [entry(EntryKind::Payment(refunded.id), -300), entry(EntryKind::Refund(refunded.id), 300)];
        assert_eq!(kinds(Some(refunded), &both), []);
        assert_eq!(kinds(Some(payment(PaymentStatus::NotTaken)), &[]), []);
        assert_eq!(kinds(Some(Payment { from_account: false, ..captured }), &[]), []);
    }

    #[test]
    fn an_entry_without_its_payment_is_found() {
        let captured = payment(PaymentStatus::Captured);
        let taken = entry(EntryKind::Payment(captured.id), -300);
        assert_eq!(kinds(None, &[taken]), [Difference::EntryWithoutPayment]);
        assert_eq!(kinds(Some(captured), &[taken, taken]), [Difference::EntryWithoutPayment]);
        let given = entry(EntryKind::Refund(captured.id), 300);
        assert_eq!(kinds(Some(captured), &[taken, given]), [Difference::EntryWithoutPayment]);
    }

    #[test]
    fn a_payment_without_its_entry_is_found() {
        let refunded = payment(PaymentStatus::Refunded);
        assert_eq!(kinds(Some(refunded), &[]), [Difference::PaymentWithoutEntry]);
        let taken = entry(EntryKind::Payment(refunded.id), -300);
        assert_eq!(kinds(Some(refunded), &[taken]), [Difference::PaymentWithoutEntry]);
    }

    #[test]
    fn entries_are_grouped_by_the_payment_that_they_name() {
        let (paid, unpaid) = (payment(PaymentStatus::Captured), payment(PaymentStatus::NotTaken));
        let taken = entry(EntryKind::Payment(paid.id), -300);
        let given = entry(EntryKind::Refund(paid.id), 300);
        let stray = entry(EntryKind::Payment(PaymentId::new()), -300);
        let deposit = entry(EntryKind::Deposit, 300);
        let grouped = entries_by_payment(&[paid, unpaid], &[taken, stray, given, deposit]);
        let expected = [(Some(paid), vec![taken, given]), (Some(unpaid), vec![]), (None, vec![stray, deposit])];
        assert_eq!(grouped, expected);
        assert_eq!(entries_by_payment(&[], &[]), []);
    }

    #[test]
    fn an_account_that_differs_from_its_last_entry_is_found() {
        let last = entry(EntryKind::Deposit, 300);
        let right = Account { owner: last.owner, balance: last.balance_after, version: last.sequence };
        assert_eq!(account(last.owner, Some(&right), Some(&last)), None);
        let off = Account { balance: right.balance + 1, ..right };
        for (actual, last) in [(Some(&off), Some(&last)), (None, Some(&last)), (Some(&right), None)] {
            let finding = account(right.owner, actual, last).unwrap();
            assert_eq!(finding.difference, Difference::AccountDiffers);
        }
    }

    #[test]
    fn a_gap_and_a_wrong_balance_are_found() {
        let first = entry(EntryKind::Deposit, 300);
        assert_eq!(chain(None, &first), None);
        let second = AccountEntry { sequence: 2, delta: -100, balance_after: 200, ..first };
        assert_eq!(chain(Some(&first), &second), None);
        for wrong in [AccountEntry { sequence: 3, ..second }, AccountEntry { balance_after: 199, ..second }] {
            let finding = chain(Some(&first), &wrong).unwrap();
            assert_eq!(finding.difference, Difference::AccountDiffers);
        }
    }
}
