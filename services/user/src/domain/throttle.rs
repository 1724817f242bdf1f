//! The limits of failed logins, by account and by client address.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::{AccountKey, LoginRefusal};

/// The limit of failed logins that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// The most attempts in a window.
    pub(crate) attempts: u64,
    /// The length of a window, which begins with its first attempt.
    pub(crate) window: Duration,
}

impl Limit {
    /// Admits or refuses an attempt by its number in its window, from 1; `window_rest` is the rest of that window.
    ///
    /// # Errors
    /// `TooManyFailures` beyond the limit.
    pub(crate) fn admit(self, number: u64, window_rest: Duration) -> Result<(), LoginRefusal> {
        if number > self.attempts {
            return Err(LoginRefusal::TooManyFailures { retry_after: window_rest });
        }
        Ok(())
    }
}

/// The counter that a login attempt belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CounterKey(String);

impl CounterKey {
    /// The counter of an account, whether the account exists or not.
    pub(crate) fn account(account: &AccountKey) -> Self {
        Self(format!("account {}", account.as_str()))
    }

    /// The counter of a client address. Addresses of one IPv6 /64 share one, since a subscriber gets a whole /64.
    pub(crate) fn address(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => format!("address {address}"),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("address {}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }

    /// The key of the stored counter.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// How the password check of a counted attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PasswordCheck {
    /// The password is right.
    Matched,
    /// The password is wrong, or the account does not exist.
    Mismatched,
    /// Password hashing was overloaded: the password was not checked.
    Skipped,
    /// The check failed, or its result came too late.
    Failed,
}

/// The change of the counters after a password check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recount {
    /// Clear the account's failures and take the attempt back from the address.
    Forgive,
    /// Take the attempt back from account and address.
    TakeBack,
    /// Leave the attempt counted.
    Keep,
}

impl PasswordCheck {
    /// A success clears failures; an attempt whose password was not checked does not count. Anything else may have
    /// tested a password, so it stays counted.
    pub(crate) fn recount(self) -> Recount {
        match self {
            Self::Matched => Recount::Forgive,
            Self::Skipped => Recount::TakeBack,
            Self::Mismatched | Self::Failed => Recount::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_up_to_the_limit_are_admitted() {
        let limit = Limit { attempts: 3, window: Duration::from_secs(900) };
        let rest = Duration::from_secs(12);
        for number in 1..=3 {
            assert_eq!(limit.admit(number, rest), Ok(()));
        }
        for number in [4, u64::MAX] {
            assert_eq!(limit.admit(number, rest), Err(LoginRefusal::TooManyFailures { retry_after: rest }));
        }
    }

    #[test]
    fn only_an_attempt_that_tested_no_password_or_the_right_one_is_not_counted() {
        assert_eq!(PasswordCheck::Matched.recount(), Recount::Forgive);
        assert_eq!(PasswordCheck::Skipped.recount(), Recount::TakeBack);
        for check in [PasswordCheck::Mismatched, PasswordCheck::Failed] {
            assert_eq!(check.recount(), Recount::Keep, "{check:?}");
        }
    }

    #[test]
    fn a_subscriber_has_one_counter() {
        let key = |text: &str| CounterKey::address(text.parse().unwrap());
        assert_eq!(key("192.0.2.7").as_str(), "address 192.0.2.7");
        assert_eq!(key("::ffff:192.0.2.7"), key("192.0.2.7"));
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert!(CounterKey::account(&AccountKey::of("ada@example.com")).as_str().starts_with("account "));
    }
}
