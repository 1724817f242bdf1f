//! A registered user.

use jiff::Timestamp;
use primitives::UserId;
use service::Role;

use super::{DisplayName, Email};

/// A user, without the password's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) name: DisplayName,
    pub(crate) email: Email,
    pub(crate) role: Role,
    /// Counts from 1; each change adds one.
    pub(crate) version: u64,
    pub(crate) created_at: Timestamp,
}

/// A change of a profile; a field that is `None` stays as it is.
#[derive(Debug)]
pub(crate) struct ProfileChange {
    pub(crate) name: Option<DisplayName>,
    pub(crate) email: Option<Email>,
}

/// The user has another version than the change is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the user has changed meanwhile")]
pub(crate) struct VersionMismatch;

impl User {
    pub(crate) fn new(name: DisplayName, email: Email, role: Role, created_at: Timestamp) -> Self {
        Self { id: UserId::new(), name, email, role, version: 1, created_at }
    }

    /// The next version of this user; `None` when the change changes nothing.
    ///
    /// # Errors
    /// When the change is based on another version.
    pub(crate) fn changed(
        &self,
        expected_version: u64,
        change: ProfileChange,
    ) -> Result<Option<Self>, VersionMismatch> {
        if self.version != expected_version {
            return Err(VersionMismatch);
        }
        let name = change.name.unwrap_or_else(|| self.name.clone());
        let email = change.email.unwrap_or_else(|| self.email.clone());
        let differs = name != self.name || email != self.email;
        Ok(differs.then(|| Self { name, email, version: self.version + 1, ..self.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_effective_change_of_the_present_version_makes_a_new_one() {
        let name = |text| DisplayName::parse(text).unwrap();
        let email = Email::parse("ada@example.com").unwrap();
        let user = User::new(name("Ada"), email.clone(), Role::Customer, primitives::now());
        assert_eq!(user.changed(1, ProfileChange { name: None, email: Some(email) }), Ok(None));
        let rename = || ProfileChange { name: Some(name("Grace")), email: None };
        for stale in [0, 2] {
            assert_eq!(user.changed(stale, rename()), Err(VersionMismatch));
        }
        let changed = user.changed(1, rename()).unwrap().unwrap();
        assert_eq!((changed.version, changed.name.as_str()), (2, "Grace"));
        assert_eq!((changed.id, changed.email), (user.id, user.email));
    }
}
