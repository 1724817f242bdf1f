//! Limits failed logins by account and by client address. An attempt is counted before its password is checked, so that
//! concurrent attempts can't exceed the limit, and taken back when it succeeds.

use std::net::IpAddr;
use std::time::Duration;

use service::Deadline;

use crate::config::ThrottleConfig;
use crate::domain::{AccountKey, CounterKey, Limit, Recount};
use crate::error::UserError;
use crate::store::{Attempt, LoginCounters};

/// The counters with their limits. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LoginThrottle {
    counters: LoginCounters,
    account: Limit,
    address: Limit,
}

/// A login attempt that was counted and admitted.
#[derive(Debug)]
pub(crate) struct CountedLogin {
    account: Attempt,
    address: Option<Attempt>,
}

impl LoginThrottle {
    pub(crate) fn new(config: &ThrottleConfig, counters: LoginCounters) -> Self {
        let limit = |attempts: u32, seconds: u32| Limit {
            attempts: u64::from(attempts),
            window: Duration::from_secs(u64::from(seconds)),
        };
        Self {
            counters,
            account: limit(config.account_limit.get(), config.account_window_seconds.get()),
            address: limit(config.address_limit.get(), config.address_window_seconds.get()),
        }
    }

    /// Counts an attempt. An address beyond its limit does not count against the account, so that it can't lock further
    /// accounts.
    ///
    /// # Errors
    /// `TooManyFailures`, the same for an account that does not exist.
    pub(crate) async fn count(
        &self,
        account: &AccountKey,
        address: Option<IpAddr>,
        deadline: Deadline,
    ) -> Result<CountedLogin, UserError> {
        let address = match address {
            Some(address) => Some(self.count_one(CounterKey::address(address), self.address, deadline).await?),
            None => None,
        };
        let account = self.count_one(CounterKey::account(account), self.account, deadline).await?;
        Ok(CountedLogin { account, address })
    }

    /// Changes the counters after the password check.
    pub(crate) async fn recount(
        &self,
        counted: &CountedLogin,
        recount: Recount,
        deadline: Deadline,
    ) -> Result<(), UserError> {
        match recount {
            Recount::Keep => return Ok(()),
            Recount::Forgive => self.counters.forget(&counted.account, deadline).await?,
            Recount::TakeBack => self.counters.take_back(&counted.account, deadline).await?,
        }
        if let Some(address) = &counted.address {
            self.counters.take_back(address, deadline).await?;
        }
        Ok(())
    }

    async fn count_one(&self, key: CounterKey, limit: Limit, deadline: Deadline) -> Result<Attempt, UserError> {
        let attempt = self.counters.count(key, limit.window, deadline).await?;
        if let Err(refusal) = limit.admit(attempt.number, attempt.window_rest) {
            metrics::counter!("login_throttled_total").increment(1);
            return Err(refusal.into());
        }
        Ok(attempt)
    }
}
