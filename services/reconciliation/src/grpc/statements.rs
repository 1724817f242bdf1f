//! Statements and the merchant's days.

use envelope::Error;
use jiff::civil::Date;
use primitives::{Currency, Money};
use proto::reconciliation::v1 as pb;
use proto::reconciliation::v1::statement_service_server::StatementService;
use service::RequestContext;
use service::grpc::reject;
use tonic::{Request, Response, Status};

use crate::app::{DayFilter, StatementsApp};
use crate::domain::{MerchantDay, Statement};

/// The handlers of `StatementService`.
#[derive(Clone)]
pub(crate) struct StatementGrpc {
    pub(crate) app: StatementsApp,
    /// The shop's currency, that of all amounts.
    pub(crate) currency: Currency,
}

impl StatementGrpc {
    async fn statements(
        &self,
        request: Request<pb::ListStatementsRequest>,
    ) -> Result<pb::ListStatementsResponse, Error> {
        let context = RequestContext::from_request(&request);
        let message = request.into_inner();
        let page = message.page.unwrap_or_default();
        let days = day_filter(message.days)?;
        let (statements, next_page_token) =
            self.app.list_statements(&context, days, page.page_size, &page.page_token).await?;
        let statements = statements.iter().map(|statement| self.statement(statement)).collect::<Result<_, _>>()?;
        Ok(pb::ListStatementsResponse { statements, next_page_token })
    }

    async fn merchant_days(
        &self,
        request: Request<pb::ListMerchantDaysRequest>,
    ) -> Result<pb::ListMerchantDaysResponse, Error> {
        let context = RequestContext::from_request(&request);
        let found = self.app.merchant_days(&context, day_filter(request.into_inner().days)?).await?;
        let newest_first = found.iter().rev();
        let merchant_days = newest_first.map(|(day, sums)| self.merchant_day(*day, sums)).collect::<Result<_, _>>()?;
        Ok(pb::ListMerchantDaysResponse { merchant_days })
    }

    fn statement(&self, statement: &Statement) -> Result<pb::Statement, Error> {
        let totals = &statement.totals;
        let tallies = totals.tallies.iter().map(|(kind, tally)| {
            let count = unsigned(tally.count)?;
            Ok(pb::Tally { kind: kind.name().to_owned(), count, amount: self.money(tally.amount) })
        });
        Ok(pb::Statement {
            day: statement.key.day.to_string(),
            tallies: tallies.collect::<Result<_, Error>>()?,
            lines: unsigned(totals.lines)?,
            net: self.money(totals.net),
        })
    }

    fn merchant_day(&self, day: Date, sums: &MerchantDay) -> Result<pb::MerchantDay, Error> {
        Ok(pb::MerchantDay {
            day: day.to_string(),
            sales: self.money(sums.sales),
            refunds: self.money(sums.refunds),
            stock_value_out: self.money(sums.stock_value_out),
            stock_value_back: self.money(sums.stock_value_back),
            pieces_out: unsigned(sums.pieces_out)?,
            pieces_in: unsigned(sums.pieces_in)?,
        })
    }

    fn money(&self, amount: i64) -> Option<proto::common::v1::Money> {
        Some(proto::from_money(Money::new(amount, self.currency)))
    }
}

#[tonic::async_trait]
impl StatementService for StatementGrpc {
    async fn list_statements(
        &self,
        request: Request<pb::ListStatementsRequest>,
    ) -> Result<Response<pb::ListStatementsResponse>, Status> {
        self.statements(request).await.map(Response::new).map_err(reject)
    }

    async fn list_merchant_days(
        &self,
        request: Request<pb::ListMerchantDaysRequest>,
    ) -> Result<Response<pb::ListMerchantDaysResponse>, Status> {
        self.merchant_days(request).await.map(Response::new).map_err(reject)
    }
}

fn day_filter(days: Option<pb::Days>) -> Result<DayFilter, Error> {
    let days = days.unwrap_or_default();
    Ok(DayFilter { from: day("from", &days.from)?, to: day("to", &days.to)? })
}

fn day(field: &'static str, text: &str) -> Result<Option<Date>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    // Stricter than the parser, which accepts times and time zones too.
    let parsed = text.parse::<Date>().ok().filter(|day| day.to_string() == text);
    parsed.map(Some).ok_or_else(|| Error::invalid(field, "must be a day such as 2026-11-24"))
}

/// Counts that were stored are never negative.
fn unsigned(count: i64) -> Result<u64, Error> {
    u64::try_from(count).map_err(Error::internal)
}
