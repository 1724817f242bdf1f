//! Shows a user to itself or to an administrator.

use primitives::UserId;
use service::{Caller, Deadline};

use super::App;
use crate::domain::User;
use crate::error::UserError;

impl App {
    /// A user, by id.
    pub(crate) async fn get_user(&self, caller: Caller, id: UserId, deadline: Deadline) -> Result<User, UserError> {
        // Checked before the look-up, so that the answer does not reveal whether the user exists.
        if !caller.may_see(id) {
            return Err(UserError::Forbidden);
        }
        self.users.show(id, deadline).await?.ok_or(UserError::NotFound)
    }
}
