//! A registered user.

use jiff::Timestamp;
use primitives::UserId;
use service::Role;

use super::{DisplayName, Email};

/// A user; the password's hash is kept apart.
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

/// What is to become of a profile.
#[derive(Debug)]
pub(crate) struct ProfileChange {
    pub(crate) name: Option<DisplayName>,
    pub(crate) email: Option<Email>,
}

impl User {
    pub(crate) fn new(name: DisplayName, email: Email, role: Role, created_at: Timestamp) -> Self {
        Self { id: UserId::new(), name, email, role, version: 1, created_at }
    }

    /// The next version of this user; `None` when nothing would be other than it is.
    pub(crate) fn changed(&self, change: ProfileChange) -> Option<Self> {
        let name = change.name.unwrap_or_else(|| self.name.clone());
        let email = change.email.unwrap_or_else(|| self.email.clone());
        let differs = name != self.name || email != self.email;
        differs.then(|| Self { name, email, version: self.version + 1, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_real_change_makes_a_version() {
        let name = |text| DisplayName::parse(text).unwrap();
        let email = Email::parse("ada@example.com").unwrap();
        let user = User::new(name("Ada"), email.clone(), Role::Customer, primitives::now());
        assert_eq!(user.changed(ProfileChange { name: None, email: Some(email) }), None);
        let changed = user.changed(ProfileChange { name: Some(name("Grace")), email: None }).unwrap();
        assert_eq!((changed.version, changed.name.as_str()), (2, "Grace"));
        assert_eq!((changed.id, changed.email), (user.id, user.email));
    }
}
