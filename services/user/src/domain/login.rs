//! Logins: the credentials, the decision, and the audit record.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use primitives::UserId;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use super::{Email, User};

/// Credentials as the client sent them. They are not validated: invalid ones are refused as wrong credentials.
pub(crate) struct Credentials {
    pub(crate) email: String,
    pub(crate) password: SecretString,
}

impl Credentials {
    /// The email, if it is well-formed.
    pub(crate) fn email(&self) -> Option<Email> {
        Email::parse(&self.email).ok()
    }

    /// The account that the login is for, whether it exists or not.
    pub(crate) fn account(&self) -> AccountKey {
        AccountKey::of(&self.email)
    }
}

/// SHA-256 of a lower-cased email, in hex: counters and audit need to distinguish accounts, not to store emails.
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

/// Why a login is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginRefusal {
    /// A wrong password or an unknown account; callers can't tell which.
    #[error("the credentials are wrong")]
    BadCredentials,
    /// Too many failures of the account, existing or not, or from the address.
    #[error("too many failed logins")]
    TooManyFailures {
        /// When the window of failures ends.
        retry_after: Duration,
    },
}

/// The user who is logged in, given the account that was found and whether the password matched.
///
/// # Errors
/// `BadCredentials`, for an unknown account as for a wrong password.
pub(crate) fn accept(user: Option<User>, password_matches: bool) -> Result<User, LoginRefusal> {
    user.filter(|_| password_matches).ok_or(LoginRefusal::BadCredentials)
}

/// The result of a login attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginOutcome {
    Succeeded,
    BadCredentials,
    Throttled,
}

impl LoginOutcome {
    /// Every outcome.
    pub(crate) const ALL: [Self; 3] = [Self::Succeeded, Self::BadCredentials, Self::Throttled];

    /// The name in the database and in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::BadCredentials => "bad_credentials",
            Self::Throttled => "throttled",
        }
    }
}

impl From<LoginRefusal> for LoginOutcome {
    fn from(refusal: LoginRefusal) -> Self {
        match refusal {
            LoginRefusal::BadCredentials => Self::BadCredentials,
            LoginRefusal::TooManyFailures { .. } => Self::Throttled,
        }
    }
}

/// A record of the login audit.
#[derive(Debug, Clone)]
pub(crate) struct LoginRecord {
    pub(crate) at: Timestamp,
    pub(crate) outcome: LoginOutcome,
    pub(crate) account: AccountKey,
    pub(crate) address: Option<IpAddr>,
    /// Set only after a success.
    pub(crate) user_id: Option<UserId>,
    pub(crate) request_id: String,
}

#[cfg(test)]
mod tests {
    use service::Role;

    use super::*;
    use crate::domain::DisplayName;

    #[test]
    fn an_account_is_the_same_in_any_spelling_of_its_email() {
        assert_eq!(AccountKey::of("Ada@Example.com"), AccountKey::of("ada@example.com"));
        assert_ne!(AccountKey::of("ada@example.com"), AccountKey::of("ada@example.org"));
        assert_eq!(
            AccountKey::of("").as_str(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // SHA-256 of nothing
        );
    }

    #[test]
    fn an_unknown_account_is_refused_like_a_wrong_password() {
        let email = Email::parse("ada@example.com").unwrap();
        let user = User::new(DisplayName::parse("Ada").unwrap(), email, Role::Customer, Timestamp::UNIX_EPOCH);
        assert_eq!(accept(Some(user.clone()), true), Ok(user.clone()));
        for refused in [accept(Some(user), false), accept(None, false), accept(None, true)] {
            assert_eq!(refused, Err(LoginRefusal::BadCredentials));
        }
    }

    #[test]
    fn each_outcome_is_recorded_under_its_name() {
        let throttled = LoginRefusal::TooManyFailures { retry_after: Duration::ZERO };
        assert_eq!(LoginOutcome::from(LoginRefusal::BadCredentials), LoginOutcome::BadCredentials);
        assert_eq!(LoginOutcome::from(throttled), LoginOutcome::Throttled);
        assert_eq!(LoginOutcome::ALL.map(LoginOutcome::name), ["succeeded", "bad_credentials", "throttled"]);
    }
}
