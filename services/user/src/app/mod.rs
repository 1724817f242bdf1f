//! The use cases, one a file.

mod bootstrap;
mod create_session;
mod end_session;
mod get_user;
mod list_users;
mod refresh_session;
mod register_user;
mod update_user;

use std::time::Duration;

use jiff::Timestamp;
use primitives::SessionId;
use service::page::PageTokens;

pub(crate) use bootstrap::Bootstrap;

use crate::audit::Audit;
use crate::domain::{RefreshToken, RefreshTokenRecord, TokenPair, User};
use crate::error::UserError;
use crate::passwords::Passwords;
use crate::store::{Sessions, Users};
use crate::throttle::LoginThrottle;
use crate::tokens::AccessTokens;

/// The parts that the use cases work with.
pub(crate) struct App {
    pub(crate) users: Users,
    pub(crate) sessions: Sessions,
    pub(crate) throttle: LoginThrottle,
    pub(crate) audit: Audit,
    pub(crate) passwords: Passwords,
    pub(crate) access_tokens: AccessTokens,
    pub(crate) refresh_lifetime: Duration,
    pub(crate) page_tokens: PageTokens,
}

impl App {
    /// The public keys of access tokens, as the JSON text of a key set.
    pub(crate) fn jwks(&self) -> &str {
        self.access_tokens.jwks()
    }

    /// Creates the tokens of a session, with the user's present role. They are valid once the record is stored.
    fn new_tokens(
        &self,
        user: &User,
        session_id: SessionId,
        now: Timestamp,
    ) -> Result<(TokenPair, RefreshTokenRecord), UserError> {
        let refresh_token = RefreshToken::generate();
        let record = RefreshTokenRecord::new(&refresh_token, session_id, user.id, now, self.refresh_lifetime);
        let pair = TokenPair {
            access_token: self.access_tokens.issue(user.id, user.role, session_id, now)?,
            refresh_token: refresh_token.into_secret(),
            expires_in: self.access_tokens.lifetime_seconds(),
        };
        Ok((pair, record))
    }
}
