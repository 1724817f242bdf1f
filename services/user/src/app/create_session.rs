//! Logs a user in. Neither the answer nor its time reveals whether the account exists.

use primitives::{SessionId, UserId};
use service::RequestContext;

use super::App;
use crate::domain::{AccountKey, Credentials, LoginOutcome, LoginRecord, PasswordCheck, TokenPair, User, accept};
use crate::error::UserError;

impl App {
    /// The tokens of a new session.
    ///
    /// # Errors
    /// `BadCredentials`, `TooManyFailures` (also when more attempts than the limit run at once), `Overloaded`.
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

    /// The user with these credentials.
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
        let verified = self.passwords.verify(credentials.password, hash, deadline).await;
        let check = match &verified {
            Ok(true) => PasswordCheck::Matched,
            Ok(false) => PasswordCheck::Mismatched,
            Err(UserError::Overloaded) => PasswordCheck::Skipped,
            Err(_) => PasswordCheck::Failed,
        };
        self.throttle.recount(&counted, check.recount(), deadline).await?;
        Ok(accept(user, verified?)?)
    }

    fn audit_login(&self, context: &RequestContext, account: AccountKey, checked: &Result<User, UserError>) {
        let (outcome, user_id): (_, Option<UserId>) = match checked {
            Ok(user) => (LoginOutcome::Succeeded, Some(user.id)),
            Err(UserError::LoginRefused(refusal)) => (LoginOutcome::from(*refusal), None),
            Err(_) => return, // such an answer reveals nothing about the credentials
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
