//! Shows a user to itself or to an administrator.

use primitives::UserId;
use service::{Caller, Deadline};

use super::App;
use crate::domain::User;
use crate::error::UserError;

impl App {
    pub(crate) async fn get_user(&self, caller: Caller, id: UserId, deadline: Deadline) -> Result<User, UserError> {
        // Before looking: who may not see a user does not learn whether there is one.
        if !caller.may_see(id) {
            return Err(UserError::Forbidden);
        }
        self.users.show(id, deadline).await?.ok_or(UserError::NotFound)
    }
}
