//! Gives new tokens for a refresh token, once. A token that comes back after it was used is a sign that two parties
//! hold it, so its whole family ends; two refreshes at once with the same token look just so, and are treated so.

use secrecy::SecretString;
use service::Deadline;

use super::App;
use crate::domain::{RefreshTokenHash, TokenPair};
use crate::error::UserError;
use crate::store::Rotation;

impl App {
    /// # Errors
    /// `RefreshRefused`, whatever is wrong with the token.
    pub(crate) async fn refresh_session(
        &self,
        presented: SecretString,
        deadline: Deadline,
    ) -> Result<TokenPair, UserError> {
        let hash = RefreshTokenHash::of(&presented);
        let found = self.sessions.find(hash, deadline).await?;
        let (user_id, session_id) = found.ok_or(UserError::RefreshRefused)?;
        // The role is read anew. All that can fail comes before the rotation, which can't be taken back.
        let user = self.users.find(user_id, deadline).await?.ok_or(UserError::RefreshRefused)?;
        let (pair, next) = self.new_tokens(&user, session_id, primitives::now())?;
        match self.sessions.rotate(hash, &next, deadline).await? {
            Rotation::Done => Ok(pair),
            Rotation::NotGood => Err(UserError::RefreshRefused),
            Rotation::UsedBefore => {
                self.sessions.end_after_reuse(session_id, user_id, deadline).await?;
                metrics::counter!("refresh_token_reuse_total").increment(1);
                tracing::warn!(%user_id, %session_id, "a refresh token was used twice; its session is ended");
                Err(UserError::RefreshRefused)
            }
        }
    }
}
