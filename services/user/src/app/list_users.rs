//! Lists all users in pages, oldest first.

use primitives::UserId;
use service::{Deadline, page};

use super::App;
use crate::domain::User;
use crate::error::UserError;

const LIST: &str = "users";

impl App {
    /// A page, and the token of the next one, which is empty for the last page.
    pub(crate) async fn list_users(
        &self,
        page_size: u32,
        page_token: &str,
        deadline: Deadline,
    ) -> Result<(Vec<User>, String), UserError> {
        let size = page::size(page_size)?;
        let after: Option<UserId> = self.page_tokens.open(LIST, page_token)?;
        // One more than requested shows whether there is a next page.
        let users = self.users.list(after, size + 1, deadline).await?;
        Ok(self.page_tokens.paginate(LIST, users, size, |last| last.id)?)
    }
}
