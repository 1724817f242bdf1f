//! Changes a user's own profile.

use service::{Caller, Deadline};

use super::App;
use crate::domain::{ProfileChange, User};
use crate::error::UserError;

impl App {
    /// The user after the change. A change without effect keeps the version.
    pub(crate) async fn update_user(
        &self,
        caller: Caller,
        expected_version: u64,
        change: ProfileChange,
        deadline: Deadline,
    ) -> Result<User, UserError> {
        let user = self.users.find(caller.user_id, deadline).await?.ok_or(UserError::NotFound)?;
        let Some(changed) = user.changed(expected_version, change)? else { return Ok(user) };
        self.users.update_profile(&changed, deadline).await?;
        Ok(changed)
    }
}
