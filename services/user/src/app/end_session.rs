//! Logs a user out: the session's refresh tokens become invalid. Its access token stays valid until it expires.

use service::{Caller, Deadline};

use super::App;
use crate::domain::EndReason;
use crate::error::UserError;

impl App {
    /// Ends the caller's session. Repeating the call changes nothing.
    pub(crate) async fn end_session(&self, caller: Caller, deadline: Deadline) -> Result<(), UserError> {
        Ok(self.sessions.end(caller.session_id, caller.user_id, EndReason::Logout, deadline).await?)
    }
}
