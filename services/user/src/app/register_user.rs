//! Registers a customer.

use service::{Deadline, Role};

use super::App;
use crate::domain::{Registration, User};
use crate::error::UserError;

impl App {
    /// Registers a user with the role of a customer.
    pub(crate) async fn register_user(
        &self,
        registration: Registration,
        deadline: Deadline,
    ) -> Result<User, UserError> {
        self.add_user(registration, Role::Customer, deadline).await
    }

    /// Adds a user with any role.
    pub(super) async fn add_user(
        &self,
        registration: Registration,
        role: Role,
        deadline: Deadline,
    ) -> Result<User, UserError> {
        let password = self.passwords.hash(registration.password, deadline).await?;
        let user = User::new(registration.name, registration.email, role, primitives::now());
        self.users.insert(&user, &password, deadline).await?;
        Ok(user)
    }
}
