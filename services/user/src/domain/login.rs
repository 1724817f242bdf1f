//! A try to log in: what is presented, what it is counted by, and what is recorded of it.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

use jiff::Timestamp;
use primitives::UserId;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use super::Email;

/// What a person logs in with, not checked: whatever is wrong with it is told as wrong credentials.
pub(crate) struct Credentials {
    pub(crate) email: String,
    pub(crate) password: SecretString,
}

impl Credentials {
    /// The address, when it could be a user's at all.
    pub(crate) fn email(&self) -> Option<Email> {
        Email::parse(&self.email).ok()
    }

    /// What tries are counted by, whether such an account exists or not.
    pub(crate) fn account(&self) -> AccountKey {
        AccountKey::of(&self.email)
    }
}

/// SHA-256 of a lower-cased email, in hex: counters and audit need to tell accounts apart, not to know addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccountKey(String);

impl AccountKey {
    pub(crate) fn of(email: &str) -> Self {
        let digest = Sha256::digest(email.to_lowercase().as_bytes());
        let mut hex = String::with_capacity(2 * digest.len());
        for byte in digest {
            let _ = write!(hex, "{byte:02x}"); // writing to a String can't fail
        }
        Self(hex)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What tries from a client are counted by: the address, or the /64 of an IPv6 address, since that is what one
/// subscriber gets.
pub(crate) fn address_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginOutcome {
    Succeeded,
    BadCredentials,
    Throttled,
}

impl LoginOutcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::BadCredentials => "bad_credentials",
            Self::Throttled => "throttled",
        }
    }
}

/// A line of the login audit.
#[derive(Debug, Clone)]
pub(crate) struct LoginRecord {
    pub(crate) at: Timestamp,
    pub(crate) outcome: LoginOutcome,
    pub(crate) account: AccountKey,
    pub(crate) address: Option<IpAddr>,
    /// Known after a success only.
    pub(crate) user_id: Option<UserId>,
    pub(crate) request_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_an_email_are_one_account() {
        assert_eq!(AccountKey::of("Ada@Example.com"), AccountKey::of("ada@example.com"));
        assert_ne!(AccountKey::of("ada@example.com"), AccountKey::of("ada@example.org"));
        assert_eq!(
            AccountKey::of("").as_str(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // SHA-256 of nothing
        );
    }

    #[test]
    fn a_subscriber_is_counted_once() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("192.0.2.7"), "192.0.2.7");
        assert_eq!(key("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    }
}
