//! Changes a user's own profile.

use service::{Caller, Deadline};

use super::App;
use crate::domain::{ProfileChange, User};
use crate::error::UserError;

impl App {
    /// A change that changes nothing leaves the version as it is.
    pub(crate) async fn update_user(
        &self,
        caller: Caller,
        expected_version: u64,
        change: ProfileChange,
        deadline: Deadline,
    ) -> Result<User, UserError> {
        let user = self.users.find(caller.user_id, deadline).await?.ok_or(UserError::NotFound)?;
        if user.version != expected_version {
            return Err(UserError::VersionMismatch);
        }
        let Some(changed) = user.changed(change) else { return Ok(user) };
        self.users.update_profile(&changed, deadline).await?;
        Ok(changed)
    }
}
