//! Runs and their exceptions.

use envelope::Error;
use primitives::{ParseError, RunId};
use proto::reconciliation::v1 as pb;
use proto::reconciliation::v1::reconciliation_service_server::ReconciliationService;
use service::RequestContext;
use service::grpc::reject;
use tonic::{Request, Response, Status};

use crate::app::RunsApp;
use crate::domain::{CheckResult, Exception, Healing, Run, RunKind, RunStatus};

/// The handlers of `ReconciliationService`.
#[derive(Clone)]
pub(crate) struct ReconciliationGrpc {
    app: RunsApp,
}

impl ReconciliationGrpc {
    pub(crate) fn new(app: RunsApp) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl ReconciliationService for ReconciliationGrpc {
    async fn start_reconciliation(
        &self,
        request: Request<pb::StartReconciliationRequest>,
    ) -> Result<Response<pb::StartReconciliationResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let run = self.app.start(&context).await.map_err(reject)?;
        Ok(Response::new(pb::StartReconciliationResponse { reconciliation: Some(from_run(&run)) }))
    }

    async fn get_reconciliation(
        &self,
        request: Request<pb::GetReconciliationRequest>,
    ) -> Result<Response<pb::GetReconciliationResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let id = parse(&request.get_ref().reconciliation_id)?;
        let run = self.app.run(&context, id).await.map_err(reject)?;
        Ok(Response::new(pb::GetReconciliationResponse { reconciliation: Some(from_run(&run)) }))
    }

    async fn list_reconciliations(
        &self,
        request: Request<pb::ListReconciliationsRequest>,
    ) -> Result<Response<pb::ListReconciliationsResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let page = request.into_inner().page.unwrap_or_default();
        let listed = self.app.list(&context, page.page_size, &page.page_token).await;
        let (runs, next_page_token) = listed.map_err(reject)?;
        let reconciliations = runs.iter().map(from_run).collect();
        Ok(Response::new(pb::ListReconciliationsResponse { reconciliations, next_page_token }))
    }

    async fn list_exceptions(
        &self,
        request: Request<pb::ListExceptionsRequest>,
    ) -> Result<Response<pb::ListExceptionsResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let request = request.into_inner();
        let id = parse(&request.reconciliation_id)?;
        let page = request.page.unwrap_or_default();
        let listed = self.app.exceptions(&context, id, page.page_size, &page.page_token).await;
        let (exceptions, next_page_token) = listed.map_err(reject)?;
        let exceptions = exceptions.into_iter().map(from_exception).collect();
        Ok(Response::new(pb::ListExceptionsResponse { exceptions, next_page_token }))
    }
}

// The wire's own error type is large, as in all of tonic.
#[allow(clippy::result_large_err)]
fn parse(id: &str) -> Result<RunId, Status> {
    id.parse().map_err(|error: ParseError| reject(Error::invalid("id", error.to_string())))
}

fn from_run(run: &Run) -> pb::Reconciliation {
    let kind = match run.kind {
        RunKind::Daily => pb::ReconciliationKind::Daily,
        RunKind::OnDemand => pb::ReconciliationKind::OnDemand,
        RunKind::Incremental => pb::ReconciliationKind::Incremental,
    };
    let status = match run.status {
        RunStatus::Requested => pb::ReconciliationStatus::Requested,
        RunStatus::Running => pb::ReconciliationStatus::Running,
        RunStatus::Completed => pb::ReconciliationStatus::Completed,
        RunStatus::Failed => pb::ReconciliationStatus::Failed,
    };
    pb::Reconciliation {
        id: run.id.to_string(),
        kind: kind.into(),
        status: status.into(),
        requested_at: Some(proto::from_timestamp(run.requested_at)),
        started_at: run.started_at.map(proto::from_timestamp),
        ended_at: run.ended_at.map(proto::from_timestamp),
        checks: run.checks.iter().map(from_check).collect(),
        compared: run.compared(),
        differences: run.differences(),
        consistency_ratio: run.consistency_ratio(),
        failure: run.failure.clone(),
    }
}

fn from_check(result: &CheckResult) -> pb::CheckResult {
    pb::CheckResult {
        name: result.check.name().to_owned(),
        compared: result.compared,
        differences: result.differences,
        as_of: Some(proto::from_timestamp(result.as_of)),
    }
}

fn from_exception(exception: Exception) -> pb::Exception {
    let healing = |healing: Healing| pb::Healing {
        action: healing.action,
        at: Some(proto::from_timestamp(healing.at)),
        done: healing.done,
        failure: healing.failure,
    };
    pb::Exception {
        kind: exception.finding.difference.name().to_owned(),
        subject: exception.finding.subject,
        expected: exception.finding.expected,
        found: exception.finding.found,
        first_seen_at: Some(proto::from_timestamp(exception.first_seen_at)),
        healing: exception.healing.map(healing),
    }
}
