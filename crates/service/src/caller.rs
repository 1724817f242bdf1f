//! The caller of a request: verified by the gateway, propagated in metadata, never taken from a message.

use primitives::{SessionId, UserId};

/// The role of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A buyer.
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

    /// The role with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Customer, Self::Admin].into_iter().find(|role| role.name() == name)
    }
}

/// An authenticated user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user_id: UserId,
    /// The role of the user.
    pub role: Role,
    /// The session of the access token.
    pub session_id: SessionId,
}

impl Caller {
    /// Whether the caller is an administrator.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// Whether the caller may see the data of `owner`.
    pub fn may_see(&self, owner: UserId) -> bool {
        self.user_id == owner || self.is_admin()
    }
}
