//! Pay money into an account.

use idempotency::{Answer, Conflict, ScopedKey};
use mongo::TransactError;
use primitives::{IdempotencyKey, Money, UserId};
use serde::Serialize;
use service::Deadline;

use super::{Accounts, Error};
use crate::domain::{Balance, MAX_DEPOSIT};
use crate::store::{KeyedDeposit, Refusal};

/// The name of this call in the scope of its idempotency keys.
const CALL: &str = "deposit";

/// What makes two deposits the same request.
#[derive(Serialize)]
struct Fingerprinted {
    owner: UserId,
    amount: Money,
}

impl Accounts {
    /// Pays money into a user's account, once for each of the admin's keys, and gives the balance after it. The first
    /// deposit opens the account; that the user exists was checked by the gateway.
    ///
    /// # Errors
    /// `AmountOutOfRange` outside 1 to 10^12, or when the balance would go over 10^15; `WrongCurrency`; `InFlight`;
    /// `Idempotency` for a key that was used for another deposit.
    pub(crate) async fn deposit(
        &self,
        admin: UserId,
        owner: UserId,
        amount: Money,
        key: &IdempotencyKey,
        request_id: &str,
        deadline: Deadline,
    ) -> Result<Answer<Balance>, Error> {
        self.check(amount)?;
        let key = ScopedKey::new(admin, CALL, key, &Fingerprinted { owner, amount }).map_err(Error::Idempotency)?;
        if let Some(before) = self.store.find_deposit(&key, deadline).await.map_err(Error::Idempotency)? {
            return Ok(before);
        }
        let deposit = KeyedDeposit { key: key.clone(), request_id: request_id.to_owned(), owner, amount };
        match self.store.deposit(deposit, deadline).await {
            Ok(balance) => Ok(Answer::first(balance)),
            Err(TransactError::Refused(Refusal::Conflict(Conflict::Finished))) => {
                let twin = self.store.find_deposit(&key, deadline).await.map_err(Error::Idempotency)?;
                twin.ok_or(Error::InFlight)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn check(&self, amount: Money) -> Result<(), Error> {
        if amount.currency() != self.currency {
            return Err(Error::WrongCurrency(self.currency));
        }
        if !(1..=MAX_DEPOSIT).contains(&amount.amount()) {
            return Err(Error::AmountOutOfRange("must be 1 to 10^12"));
        }
        Ok(())
    }
}
