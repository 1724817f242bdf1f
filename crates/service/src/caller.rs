//! Who is calling: verified by the gateway, passed on in metadata, never taken from a message.

use primitives::{SessionId, UserId};

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Buys.
    Customer,
    /// Runs the shop.
    Admin,
}

impl Role {
    /// The name in tokens and metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Customer, Self::Admin].into_iter().find(|role| role.name() == name)
    }
}

/// An authenticated user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user_id: UserId,
    /// What the user may do.
    pub role: Role,
    /// The login that the access token came from.
    pub session_id: SessionId,
}

impl Caller {
    /// Whether the caller runs the shop.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// Whether the caller may see what belongs to `owner`.
    pub fn may_see(&self, owner: UserId) -> bool {
        self.user_id == owner || self.is_admin()
    }
}
