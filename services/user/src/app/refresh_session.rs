//! Exchanges a refresh token for new tokens, once. A token that is presented again after its use shows that two parties
//! hold it, so its session ends. Two concurrent refreshes with one token look the same and are treated the same.

use secrecy::SecretString;
use service::Deadline;

use super::App;
use crate::domain::{EndReason, RefreshTokenHash, Rotation, TokenPair};
use crate::error::UserError;

impl App {
    /// The next tokens of the session.
    ///
    /// # Errors
    /// `RefreshRefused` for every token that is not valid.
    pub(crate) async fn refresh_session(
        &self,
        presented: SecretString,
        deadline: Deadline,
    ) -> Result<TokenPair, UserError> {
        let hash = RefreshTokenHash::of(&presented);
        let found = self.sessions.find(hash, deadline).await?;
        let (user_id, session_id) = found.ok_or(UserError::RefreshRefused)?;
        // Reads the present role. Everything that can fail comes before the rotation, which can't be undone.
        let user = self.users.find(user_id, deadline).await?.ok_or(UserError::RefreshRefused)?;
        let (pair, next) = self.new_tokens(&user, session_id, primitives::now())?;
        match self.sessions.rotate(hash, &next, deadline).await? {
            Rotation::Rotate => Ok(pair),
            Rotation::Refuse => Err(UserError::RefreshRefused),
            Rotation::EndSession => {
                self.sessions.end(session_id, user_id, EndReason::TokenReuse, deadline).await?;
                metrics::counter!("refresh_token_reuse_total").increment(1);
                tracing::warn!(%user_id, %session_id, "a refresh token was used twice; its session was ended");
                Err(UserError::RefreshRefused)
            }
        }
    }
}
