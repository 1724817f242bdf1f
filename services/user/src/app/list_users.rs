//! Lists all users page by page, oldest first.

use primitives::UserId;
use service::{Deadline, page};

use super::App;
use crate::domain::User;
use crate::error::UserError;

const LIST: &str = "users";

impl App {
    /// A page and the token of the next one, which is empty on the last.
    pub(crate) async fn list_users(
        &self,
        page_size: u32,
        page_token: &str,
        deadline: Deadline,
    ) -> Result<(Vec<User>, String), UserError> {
        let size = page::size(page_size)?;
        let after: Option<UserId> = self.page_tokens.open(LIST, page_token)?;
        // One more than asked for tells whether there is a next page.
        let mut users = self.users.list(after, size + 1, deadline).await?;
        let full = usize::try_from(size).map_err(UserError::internal)?;
        let more = users.len() > full;
        users.truncate(full);
        let next_page_token = match users.last() {
            Some(last) if more => self.page_tokens.issue(LIST, &last.id)?,
            _ => String::new(),
        };
        Ok((users, next_page_token))
    }
}
