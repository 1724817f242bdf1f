//! Pays money into an account.

use idempotency::{Answer, Conflict, ScopedKey};
use primitives::{IdempotencyKey, Money, UserId};
use serde::Serialize;
use service::Deadline;

use super::Accounts;
use crate::domain::{Balance, Posting, Refusal};
use crate::error::Error;
use crate::store::KeyedDeposit;

/// The name of this call in the scope of its idempotency keys.
const CALL: &str = "deposit";

/// The fields that make two deposits the same request.
#[derive(Serialize)]
struct Fingerprinted {
    owner: UserId,
    amount: Money,
}

impl Accounts {
    /// Pays money into a user's account, once for each key of an administrator, and returns the balance after it. The
    /// first deposit opens the account. The gateway has checked that the user exists.
    ///
    /// # Errors
    /// `AmountOutOfRange` outside 1 to 10^12, or when the balance would go over 10^15; `WrongCurrency`; `Key` while the
    /// same request is running; `Idempotency` for a key that was used for another deposit.
    pub(crate) async fn deposit(
        &self,
        admin: UserId,
        owner: UserId,
        amount: Money,
        key: &IdempotencyKey,
        request_id: &str,
        deadline: Deadline,
    ) -> Result<Answer<Balance>, Error> {
        let posting = Posting::deposit(amount, self.currency)?;
        let key = ScopedKey::new(admin, CALL, key, &Fingerprinted { owner, amount }).map_err(Error::Idempotency)?;
        if let Some(earlier) = self.earlier(&key, deadline).await? {
            return Ok(earlier);
        }
        let deposit = KeyedDeposit { key: key.clone(), request_id: request_id.to_owned(), owner, posting };
        match self.store.deposit(deposit, deadline).await {
            Ok(balance) => Ok(Answer::first(balance)),
            Err(Error::Refused(Refusal::Key(Conflict::Finished))) => {
                let finished = self.earlier(&key, deadline).await?;
                Ok(finished.ok_or(Refusal::Key(Conflict::InFlight))?)
            }
            Err(error) => Err(error),
        }
    }

    /// The answer to an earlier request with this key.
    async fn earlier(&self, key: &ScopedKey, deadline: Deadline) -> Result<Option<Answer<Balance>>, Error> {
        self.store.find_deposit(key, deadline).await.map_err(Error::Idempotency)
    }
}
