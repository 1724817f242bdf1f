//! `/reconciliations`

use actix_web::web;
use envelope::Reason;
use primitives::RunId;
use proto::reconciliation::v1::{
    GetReconciliationRequest, ListExceptionsRequest, ListReconciliationsRequest, StartReconciliationRequest,
};

use crate::dto::{Page, Reconciliation, ReconciliationException};
use crate::endpoint::{Access, Endpoint, OperationId, Verb};
use crate::input::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::routes::paging::PAGE;

const RUNS: &str = "/api/v1/reconciliations";
const RUN: &str = "/api/v1/reconciliations/{id}";
const EXCEPTIONS: &str = "/api/v1/reconciliations/{id}/exceptions";

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Get, RUNS, Access::Admin, OperationId::ListReconciliations, || web::to(list))
            .summary("Lists reconciliation runs, newest first.")
            .can_wait()
            .query(&PAGE)
            .gives::<Page<Reconciliation>>(),
        Endpoint::new(Verb::Post, RUNS, Access::Admin, OperationId::StartReconciliation, || web::to(start))
            .summary("Requests a full reconciliation run. Returns the requested run if one has not started yet.")
            .can_wait()
            .begins::<Reconciliation>()
            .with_location(),
        Endpoint::new(Verb::Get, RUN, Access::Admin, OperationId::GetReconciliation, || web::to(get))
            .summary("Returns a reconciliation run.")
            .can_wait()
            .gives::<Reconciliation>()
            .refuses(&[Reason::NotFound]),
        Endpoint::new(Verb::Get, EXCEPTIONS, Access::Admin, OperationId::ListReconciliationExceptions, || {
            web::to(list_exceptions)
        })
        .summary("Lists the differences that a run found, by kind and subject.")
        .can_wait()
        .query(&PAGE)
        .gives::<Page<ReconciliationException>>()
        .refuses(&[Reason::NotFound]),
    ]
}

async fn list(call: Call) -> Result<Reply<Page<Reconciliation>>, Refusal> {
    let mut query = call.query()?;
    let page = Some(query.take_page());
    query.finish()?;
    let request = ListReconciliationsRequest { page };
    let response = call.services().list_reconciliations(request).await?.into_inner();
    Ok(Reply::ok(Page::of(response.reconciliations, response.next_page_token)?))
}

async fn start(call: Call) -> Result<Reply<Reconciliation>, Refusal> {
    call.no_query()?;
    let response = call.services().start_reconciliation(StartReconciliationRequest {}).await?.into_inner();
    let run = Reconciliation::try_from(response.reconciliation)?;
    let location = format!("{RUNS}/{}", run.id);
    Ok(Reply::accepted(run).location(location))
}

async fn get(call: Call) -> Result<Reply<Reconciliation>, Refusal> {
    call.no_query()?;
    let id: RunId = call.path("id")?;
    let request = GetReconciliationRequest { reconciliation_id: id.to_string() };
    let response = call.services().get_reconciliation(request).await?.into_inner();
    Ok(Reply::ok(Reconciliation::try_from(response.reconciliation)?))
}

async fn list_exceptions(call: Call) -> Result<Reply<Page<ReconciliationException>>, Refusal> {
    let id: RunId = call.path("id")?;
    let mut query = call.query()?;
    let page = Some(query.take_page());
    query.finish()?;
    let request = ListExceptionsRequest { reconciliation_id: id.to_string(), page };
    let response = call.services().list_exceptions(request).await?.into_inner();
    Ok(Reply::ok(Page::of(response.exceptions, response.next_page_token)?))
}
