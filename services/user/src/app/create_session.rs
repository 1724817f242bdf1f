//! Logs a user in. Nothing in the answer or the time it takes tells whether the account exists.

use primitives::{SessionId, UserId};
use service::RequestContext;

use super::App;
use crate::domain::{AccountKey, Credentials, LoginOutcome, LoginRecord, TokenPair, User};
use crate::error::UserError;

impl App {
    /// # Errors
    /// `BadCredentials`, `TooManyFailures` (also when more tries than the limit are under way at once), `Overloaded`.
    pub(crate) async fn create_session(
        &self,
        context: &RequestContext,
        credentials: Credentials,
    ) -> Result<TokenPair, UserError> {
        let account = credentials.account();
        let checked = self.check(context, &account, credentials).await;
        self.audit_login(context, account, &checked);
        let user = checked?;
        let (pair, first) = self.new_tokens(&user, SessionId::new(), primitives::now())?;
        self.sessions.begin(&first, context.deadline).await?;
        Ok(pair)
    }

    /// The user whose credentials these are.
    async fn check(
        &self,
        context: &RequestContext,
        account: &AccountKey,
        credentials: Credentials,
    ) -> Result<User, UserError> {
        let deadline = context.deadline;
        let counted = self.throttle.count(account, context.client_address, deadline).await?;
        let found = match credentials.email() {
            Some(email) => self.users.find_login(&email, deadline).await?,
            None => None,
        };
        let (user, hash) = found.unzip();
        match self.passwords.verify(credentials.password, hash, deadline).await {
            Ok(true) => self.throttle.succeeded(&counted, deadline).await?,
            Ok(false) => return Err(UserError::BadCredentials),
            Err(UserError::Overloaded) => {
                self.throttle.take_back(&counted, deadline).await?;
                return Err(UserError::Overloaded);
            }
            Err(error) => return Err(error),
        }
        user.ok_or(UserError::BadCredentials)
    }

    fn audit_login(&self, context: &RequestContext, account: AccountKey, checked: &Result<User, UserError>) {
        let (outcome, user_id): (_, Option<UserId>) = match checked {
            Ok(user) => (LoginOutcome::Succeeded, Some(user.id)),
            Err(UserError::BadCredentials) => (LoginOutcome::BadCredentials, None),
            Err(UserError::TooManyFailures { .. }) => (LoginOutcome::Throttled, None),
            Err(_) => return, // nobody was told anything about the credentials
        };
        metrics::counter!("logins_total", "outcome" => outcome.name()).increment(1);
        self.audit.record(LoginRecord {
            at: primitives::now(),
            outcome,
            account,
            address: context.client_address,
            user_id,
            request_id: context.request_id.clone(),
        });
    }
}
