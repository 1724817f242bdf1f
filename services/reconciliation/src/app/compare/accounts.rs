//! Accounts against their entries.

use envelope::Error;
use mongo::Cut;
use primitives::UserId;

use super::sorted::{Sorted, lowest};
use crate::domain::checks::AccountEntry;
use crate::domain::{Check, Comparison, checks};
use crate::upstreams::Upstreams;

/// Compares these accounts, or all when there are none.
pub(in crate::app) async fn compare_accounts(
    upstreams: &Upstreams,
    cut: Cut,
    users: &[UserId],
) -> Result<Comparison, Error> {
    let mut comparison = Comparison::new(Check::Accounts, cut.time());
    let mut entries = Sorted::new(upstreams.payment.account_entries(cut, users));
    let mut accounts = Sorted::new(upstreams.payment.accounts(cut, users));
    while let Some(owner) = lowest([accounts.peek().await?, entries.peek().await?]) {
        let account = accounts.next_of(&owner).await?;
        let mut last: Option<AccountEntry> = None;
        // One by one, since an account may have any number of entries.
        while let Some(entry) = entries.next_of(&owner).await? {
            comparison.count(1);
            comparison.found(checks::chain(last.as_ref(), &entry));
            last = Some(entry);
        }
        comparison.count(1);
        comparison.found(checks::account(owner, account.as_ref(), last.as_ref()));
    }
    Ok(comparison)
}
