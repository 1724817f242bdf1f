//! `/statements`

use actix_web::web;
use jiff::civil::Date;
use proto::reconciliation::v1::{Days, ListStatementsRequest};

use crate::dto::{Page, Statement, day};
use crate::endpoint::{Access, Endpoint, OperationId, QueryParameter, Verb};
use crate::input::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::routes::paging::PAGE;
use crate::schema;

const DAYS: [QueryParameter; 2] = [
    QueryParameter {
        name: "from",
        description: "The first day, in UTC. By default the range has 31 days; it has 366 at most.",
        schema: schema::day,
    },
    QueryParameter {
        name: "to",
        description: "The last day, in UTC, inclusive. Today by default.",
        schema: schema::day,
    },
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Get, "/api/v1/statements", Access::User, OperationId::ListStatements, || web::to(list))
            .summary("Lists the caller's daily statements, newest first. Days without activity have none.")
            .can_wait()
            .query(&PAGE)
            .query(&DAYS)
            .gives::<Page<Statement>>(),
    ]
}

async fn list(call: Call) -> Result<Reply<Page<Statement>>, Refusal> {
    let mut query = call.query()?;
    let page = Some(query.take_page());
    let days = Days { from: text(query.take("from", day)), to: text(query.take("to", day)) };
    query.finish()?;
    let request = ListStatementsRequest { days: Some(days), page };
    let response = call.services().list_statements(request).await?.into_inner();
    Ok(Reply::ok(Page::of(response.statements, response.next_page_token)?))
}

/// The day in the form of the service; empty if absent.
fn text(day: Option<Date>) -> String {
    day.map(|day| day.to_string()).unwrap_or_default()
}
