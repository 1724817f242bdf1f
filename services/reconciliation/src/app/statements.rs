//! Shows customers their statements, and administrators the merchant's days.

use std::collections::BTreeMap;

use envelope::Error;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use service::page::{self, PageTokens};
use service::{Deadline, RequestContext};

use crate::domain::{DayRange, DayRangeError, MerchantDay, Statement};
use crate::store::Statements;

/// The use cases of statements.
#[derive(Clone)]
pub(crate) struct StatementsApp {
    statements: Statements,
    tokens: PageTokens,
}

/// The first and the last day that are requested.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DayFilter {
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
        days: DayFilter,
        page_size: u32,
        page_token: &str,
    ) -> Result<(Vec<Statement>, String), Error> {
        let caller = context.require_caller()?;
        let size = page::size(page_size)?;
        // Named by the request rather than by the range, which moves at midnight.
        let list = format!("statements {} {:?} {:?}", caller.user_id, days.from, days.to);
        let before: Option<Date> = self.tokens.open(&list, page_token)?;
        let range = day_range(days)?;
        let found = self.statements.of_user(caller.user_id, range, before, size + 1, context.deadline).await?;
        self.tokens.paginate(&list, found, size, |statement| statement.key.day)
    }

    /// The merchant's days, for administrators.
    pub(crate) async fn merchant_days(
        &self,
        context: &RequestContext,
        days: DayFilter,
    ) -> Result<BTreeMap<Date, MerchantDay>, Error> {
        context.require_admin()?;
        let deadline: Deadline = context.deadline;
        Ok(self.statements.merchant_days(day_range(days)?, deadline).await?)
    }
}

fn day_range(days: DayFilter) -> Result<DayRange, Error> {
    let today = primitives::now().to_zoned(TimeZone::UTC).date();
    DayRange::new(days.from, days.to, today).map_err(|error| match error {
        DayRangeError::OutOfCalendar => Error::invalid("to", error.to_string()),
        DayRangeError::Backwards | DayRangeError::TooLong => Error::invalid("from", error.to_string()),
    })
}
