//! Payments against account entries, and the entries of an account against each other.

use primitives::{EntryId, PaymentId, UserId};

use super::{Difference, Finding, Payment, PaymentStatus};

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// The account was filled.
    Deposit,
    /// It paid.
    Payment(PaymentId),
    /// It got a payment back.
    Refund(PaymentId),
}

/// An entry of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// Whose account.
    pub owner: UserId,
    /// Counts the account's entries from 1.
    pub sequence: u64,
    /// Minor units added or, when negative, taken.
    pub delta: i64,
    /// The balance after it.
    pub balance_after: i64,
    /// What it is for.
    pub kind: EntryKind,
}

/// An account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Whose it is.
    pub owner: UserId,
    /// Minor units.
    pub balance: i64,
    /// The number of its last entry.
    pub version: u64,
}

/// Compares an account with its last entry; `None` is a side that has nothing.
pub fn account(owner: UserId, account: Option<&Account>, last: Option<&Entry>) -> Option<Finding> {
    let said = account.map(|account| (account.version, account.balance));
    let follows = last.map(|last| (last.sequence, last.balance_after));
    let say = |side: Option<(u64, i64)>| match side {
        Some((sequence, balance)) => format!("{sequence} entries and a balance of {balance}"),
        None => "no account".to_owned(),
    };
    (said != follows).then(|| Finding::new(Difference::AccountDiffers, owner, say(follows), say(said)))
}

/// Compares a payment with the entries that name it, all settled; `payment` is `None` when nobody has it. A captured
/// payment from an account has an entry that takes its amount, a refunded one also one that gives it back.
pub fn entries_of_payment(payment: Option<Payment>, entries: &[Entry]) -> Vec<Finding> {
    let payment = payment.filter(|payment| payment.from_account);
    let (mut takes, mut gives) = match payment.map(|payment| payment.status) {
        Some(PaymentStatus::Captured) => (true, false),
        Some(PaymentStatus::Refunded) => (true, true),
        Some(PaymentStatus::NotTaken) | None => (false, false),
    };
    let amount = payment.map_or(0, |payment| payment.amount);
    let mut findings = Vec::new();
    for entry in entries {
        let accounted = match entry.kind {
            EntryKind::Deposit => true,
            EntryKind::Payment(_) => entry.delta == -amount && std::mem::take(&mut takes),
            EntryKind::Refund(_) => entry.delta == amount && std::mem::take(&mut gives),
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
    if let Some(payment) = payment.filter(|_| takes || gives) {
        let missing = match (takes, gives) {
            (true, true) => "neither entry",
            (true, false) => "no entry that takes it",
            _ => "no entry that gives it back",
        };
        let expected = format!("entries for {amount}, {:?}", payment.status);
        findings.push(Finding::new(Difference::PaymentWithoutEntry, payment.id, expected, missing));
    }
    findings
}

/// Compares an entry with the one before it in the same account; `None` before the first.
pub fn chain(before: Option<&Entry>, entry: &Entry) -> Option<Finding> {
    let sequence = before.map_or(0, |before| before.sequence).saturating_add(1);
    let balance = before.map_or(0, |before| before.balance_after).saturating_add(entry.delta);
    let follows = entry.sequence == sequence && entry.balance_after == balance;
    let say = |sequence, balance| format!("entry {sequence} with a balance of {balance}");
    (!follows).then(|| {
        let found = say(entry.sequence, entry.balance_after);
        Finding::new(Difference::AccountDiffers, entry.owner, say(sequence, balance), found)
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

    fn entry(kind: EntryKind, delta: i64) -> Entry {
        Entry { id: EntryId::new(), owner: UserId::new(), sequence: 1, delta, balance_after: delta, kind }
    }

    fn kinds(payment: Option<Payment>, entries: &[Entry]) -> Vec<Difference> {
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
    fn an_account_that_its_last_entry_does_not_lead_to_is_found() {
        let last = entry(EntryKind::Deposit, 300);
        let right = Account { owner: last.owner, balance: last.balance_after, version: last.sequence };
        assert_eq!(account(last.owner, Some(&right), Some(&last)), None);
        let off = Account { balance: right.balance + 1, ..right };
        for (said, last) in [(Some(&off), Some(&last)), (None, Some(&last)), (Some(&right), None)] {
            let finding = account(right.owner, said, last).unwrap();
            assert_eq!(finding.difference, Difference::AccountDiffers);
        }
    }

    #[test]
    fn a_gap_and_a_wrong_balance_are_found() {
        let first = entry(EntryKind::Deposit, 300);
        assert_eq!(chain(None, &first), None);
        let second = Entry { sequence: 2, delta: -100, balance_after: 200, ..first };
        assert_eq!(chain(Some(&first), &second), None);
        for wrong in [Entry { sequence: 3, ..second }, Entry { balance_after: 199, ..second }] {
            let finding = chain(Some(&first), &wrong).unwrap();
            assert_eq!(finding.difference, Difference::AccountDiffers);
        }
    }
}
