//! Logs a user out. The refresh tokens of the session are good no more; its access token runs out by itself.

use service::{Caller, Deadline};

use super::App;
use crate::error::UserError;

impl App {
    /// Ending a session again changes nothing.
    pub(crate) async fn end_session(&self, caller: Caller, deadline: Deadline) -> Result<(), UserError> {
        Ok(self.sessions.end(caller.session_id, caller.user_id, deadline).await?)
    }
}
