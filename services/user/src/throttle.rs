//! Failed logins are counted by account and by client address, and refused beyond a limit. A try is counted before
//! its password is checked, so that no number of tries at once gets past the limit, and taken back when it succeeds.

use std::net::IpAddr;
use std::time::Duration;

use service::Deadline;

use crate::config::ThrottleConfig;
use crate::domain::{AccountKey, address_key};
use crate::error::UserError;
use crate::store::{Attempt, LoginCounters};

/// How many tries within what time.
#[derive(Debug, Clone, Copy)]
struct Limit {
    tries: u64,
    window: Duration,
}

/// The counters with their limits. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LoginThrottle {
    counters: LoginCounters,
    account: Limit,
    address: Limit,
}

/// A try that was counted and not refused.
#[derive(Debug)]
pub(crate) struct CountedTry {
    account: Attempt,
    address: Option<Attempt>,
}

impl LoginThrottle {
    pub(crate) fn new(config: &ThrottleConfig, counters: LoginCounters) -> Self {
        let limit = |tries: u32, seconds: u32| Limit {
            tries: u64::from(tries),
            window: Duration::from_secs(u64::from(seconds)),
        };
        Self {
            counters,
            account: limit(config.account_limit.get(), config.account_window_seconds.get()),
            address: limit(config.address_limit.get(), config.address_window_seconds.get()),
        }
    }

    /// Counts a try. An address beyond its limit is not counted against the account, so that it can't lock out more
    /// and more of them.
    ///
    /// # Errors
    /// `TooManyFailures`, the same for an account that does not exist.
    pub(crate) async fn count(
        &self,
        account: &AccountKey,
        address: Option<IpAddr>,
        deadline: Deadline,
    ) -> Result<CountedTry, UserError> {
        let address = match address {
            Some(address) => {
                let key = format!("address {}", address_key(address));
                Some(self.count_one(key, self.address, deadline).await?)
            }
            None => None,
        };
        let account = self.count_one(format!("account {}", account.as_str()), self.account, deadline).await?;
        Ok(CountedTry { account, address })
    }

    /// Forgets the account's failures and takes the try back from the address.
    pub(crate) async fn succeeded(&self, counted: &CountedTry, deadline: Deadline) -> Result<(), UserError> {
        self.counters.forget(&counted.account, deadline).await?;
        self.take_back_from(counted.address.as_ref(), deadline).await
    }

    /// Takes back a try whose password was not checked after all.
    pub(crate) async fn take_back(&self, counted: &CountedTry, deadline: Deadline) -> Result<(), UserError> {
        self.counters.take_back(&counted.account, deadline).await?;
        self.take_back_from(counted.address.as_ref(), deadline).await
    }

    async fn take_back_from(&self, address: Option<&Attempt>, deadline: Deadline) -> Result<(), UserError> {
        if let Some(address) = address {
            self.counters.take_back(address, deadline).await?;
        }
        Ok(())
    }

    async fn count_one(&self, key: String, limit: Limit, deadline: Deadline) -> Result<Attempt, UserError> {
        let attempt = self.counters.count(key, limit.window, deadline).await?;
        if attempt.number > limit.tries {
            metrics::counter!("login_throttled_total").increment(1);
            return Err(UserError::TooManyFailures { retry_after: attempt.window_rest });
        }
        Ok(attempt)
    }
}
