//! Shows statements to those whose they are, and the merchant's days to administrators.

use std::collections::BTreeMap;

use envelope::Error;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use service::page::{self, PageTokens};
use service::{Deadline, RequestContext};

use crate::domain::{MerchantDay, Span, SpanError, Statement};
use crate::store::Statements;

/// What statements are asked for with.
#[derive(Clone)]
pub(crate) struct StatementsApp {
    statements: Statements,
    tokens: PageTokens,
}

/// The first and the last day, as far as they are given.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Days {
    pub(crate) from: Option<Date>,
    pub(crate) to: Option<Date>,
}

impl StatementsApp {
    pub(crate) fn new(statements: Statements, tokens: PageTokens) -> Self {
        Self { statements, tokens }
    }

    /// A page of the caller's statements, newest first, and the token of the next page.
    pub(crate) async fn list_statements(
        &self,
        context: &RequestContext,
        days: Days,
        page_size: u32,
        page_token: &str,
    ) -> Result<(Vec<Statement>, String), Error> {
        let caller = context.require_caller()?;
        let size = page::size(page_size)?;
        // Made of what was asked for rather than of the span, which moves at midnight.
        let list = format!("statements {} {:?} {:?}", caller.user_id, days.from, days.to);
        let before: Option<Date> = self.tokens.open(&list, page_token)?;
        let span = span(days)?;
        let found = self.statements.of_user(caller.user_id, span, before, size + 1, context.deadline).await?;
        self.tokens.paginate(&list, found, size, |statement| statement.key.day)
    }

    /// The merchant's days, for administrators.
    pub(crate) async fn merchant_days(
        &self,
        context: &RequestContext,
        days: Days,
    ) -> Result<BTreeMap<Date, MerchantDay>, Error> {
        context.require_admin()?;
        let deadline: Deadline = context.deadline;
        Ok(self.statements.merchant_days(span(days)?, deadline).await?)
    }
}

fn span(days: Days) -> Result<Span, Error> {
    let today = primitives::now().to_zoned(TimeZone::UTC).date();
    Span::new(days.from, days.to, today).map_err(|error| match error {
        SpanError::OutOfCalendar => Error::invalid("to", error.to_string()),
        SpanError::Backwards | SpanError::TooLong => Error::invalid("from", error.to_string()),
    })
}
