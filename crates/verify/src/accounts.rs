//! Checks each account against its entries.

use mongodb::bson::{Uuid, doc};

use crate::cut::{Cut, lowest};
use crate::documents::{Account, Entry, fields};
use crate::error::VerifyError;
use crate::findings::{Check, Difference, Findings};
use crate::report::Counted;

pub(crate) async fn check(cut: &mut Cut, findings: &mut Findings, counted: &mut Counted) -> Result<(), VerifyError> {
    let mut accounts = cut.stream::<Account>(vec![doc! { "$sort": { "_id": 1 } }]).await?;
    let wanted = fields(&["accountId", "sequence", "delta", "balanceAfter"]);
    let in_order = doc! { "$sort": { "accountId": 1, "sequence": 1 } };
    let mut entries = cut.stream::<Entry>(vec![in_order, wanted]).await?;
    while let Some(id) = lowest([accounts.key(), entries.key()]) {
        let account = accounts.next_of(&id, cut).await?;
        let mut ledger = Ledger::new(id);
        // One at a time: the number of entries of an account has no bound.
        while let Some(entry) = entries.next_of(&id, cut).await? {
            counted.entries += 1;
            ledger.add(&entry, findings);
        }
        counted.accounts += u64::from(account.is_some());
        ledger.close(account.as_ref(), findings);
    }
    Ok(())
}

/// The entries of an account that were read so far.
struct Ledger {
    account: Uuid,
    sum: i64,
    /// The number of the last entry.
    sequence: i64,
    balance_after: i64,
}

impl Ledger {
    fn new(account: Uuid) -> Self {
        Self { account, sum: 0, sequence: 0, balance_after: 0 }
    }

    fn add(&mut self, entry: &Entry, findings: &mut Findings) {
        let subject = || format!("account {}, entry {}", self.account, entry.id);
        findings.compare(Check::EntriesGapless, subject(), self.sequence + 1, entry.sequence);
        let expected = self.balance_after.saturating_add(entry.delta);
        findings.compare(Check::RunningBalance, subject(), expected, entry.balance_after);
        if entry.balance_after < 0 {
            findings.add(Check::AccountNotNegative, Difference::new(subject(), "0 or more", entry.balance_after));
        }
        self.sum = self.sum.saturating_add(entry.delta);
        // Goes on from the stored values, so that one wrong entry is reported once.
        self.sequence = entry.sequence;
        self.balance_after = entry.balance_after;
    }

    fn close(&self, account: Option<&Account>, findings: &mut Findings) {
        let subject = format!("account {}", self.account);
        let Some(account) = account else {
            let expected = format!("an account with {} (the sum of its entries)", self.sum);
            findings.add(Check::AccountIsSumOfEntries, Difference::new(subject, expected, "no account"));
            return;
        };
        findings.compare(Check::AccountIsSumOfEntries, &subject, self.sum, account.balance);
        findings.compare(Check::EntriesGapless, &subject, self.sequence, account.version);
        if account.balance < 0 {
            findings.add(Check::AccountNotNegative, Difference::new(subject, "0 or more", account.balance));
        }
    }
}
