//! Shows the balance of an account.

use primitives::{Money, UserId};
use service::Deadline;

use super::Accounts;
use crate::domain::Balance;
use crate::error::Error;

impl Accounts {
    /// A user's balance, linearizable: it counts every change that was finished when the call began. A user without an
    /// account has 0.
    pub(crate) async fn balance(&self, owner: UserId, deadline: Deadline) -> Result<Balance, Error> {
        let as_of = primitives::now();
        let money = self.store.balance(owner, deadline).await?;
        Ok(Balance { money: money.unwrap_or(Money::new(0, self.currency)), as_of })
    }
}
