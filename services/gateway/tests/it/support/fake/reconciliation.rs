//! Fake statements and reconciliation runs.

use proto::reconciliation::v1::reconciliation_service_server::ReconciliationService;
use proto::reconciliation::v1::statement_service_server::StatementService;
use proto::reconciliation::v1::{self as pb, Reconciliation};
use tonic::{Request, Response, Status};

use super::{Fake, money, time};

pub(crate) const RUN_ID: &str = "0190b5a0-0000-7000-8000-000000000003";

fn a_run() -> Reconciliation {
    let check = pb::CheckResult { name: "orders_and_payments".into(), compared: 1_000, differences: 1, as_of: time() };
    Reconciliation {
        id: RUN_ID.into(),
        kind: pb::ReconciliationKind::Daily.into(),
        status: pb::ReconciliationStatus::Completed.into(),
        requested_at: time(),
        started_at: time(),
        ended_at: time(),
        checks: vec![check],
        compared: 1_000,
        differences: 1,
        consistency_ratio: Some(0.999),
        failure: None,
    }
}

/// A run that has not started.
fn a_requested_run() -> Reconciliation {
    Reconciliation {
        id: RUN_ID.into(),
        kind: pb::ReconciliationKind::OnDemand.into(),
        status: pb::ReconciliationStatus::Requested.into(),
        requested_at: time(),
        ..Reconciliation::default()
    }
}

fn exceptions() -> Vec<pb::Exception> {
    let one_that = |kind: &str, subject: &str, healing| pb::Exception {
        kind: kind.into(),
        subject: subject.into(),
        expected: "one event".into(),
        found: "no event".into(),
        first_seen_at: time(),
        healing,
    };
    let healing = |failure: Option<&str>| pb::Healing {
        action: "event_published_again".into(),
        at: time(),
        done: failure.is_none(),
        failure: failure.map(Into::into),
    };
    vec![
        one_that("lost_event", "order 1", Some(healing(None))),
        one_that("lost_event", "order 2", Some(healing(Some("the broker is away")))),
        one_that("stock_drift", "tea", None),
    ]
}

fn a_statement() -> pb::Statement {
    let tally = |kind: &str, count, amount| pb::Tally { kind: kind.into(), count, amount: money(amount) };
    pb::Statement {
        day: "2026-11-24".into(),
        tallies: vec![
            tally("order_placed", 2, 1_400),
            tally("payment_captured", 1, 700),
            tally("payment_refunded", 1, 900),
        ],
        lines: 4,
        net: money(-200),
    }
}

#[tonic::async_trait]
impl StatementService for Fake {
    async fn list_statements(
        &self,
        request: Request<pb::ListStatementsRequest>,
    ) -> Result<Response<pb::ListStatementsResponse>, Status> {
        self.record(request);
        let (statements, next_page_token) = (vec![a_statement()], "more".into());
        self.good_answer(pb::ListStatementsResponse { statements, next_page_token }).await
    }

    async fn list_merchant_days(
        &self,
        _: Request<pb::ListMerchantDaysRequest>,
    ) -> Result<Response<pb::ListMerchantDaysResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl ReconciliationService for Fake {
    async fn start_reconciliation(
        &self,
        request: Request<pb::StartReconciliationRequest>,
    ) -> Result<Response<pb::StartReconciliationResponse>, Status> {
        self.record(request);
        self.good_answer(pb::StartReconciliationResponse { reconciliation: Some(a_requested_run()) }).await
    }

    async fn get_reconciliation(
        &self,
        request: Request<pb::GetReconciliationRequest>,
    ) -> Result<Response<pb::GetReconciliationResponse>, Status> {
        self.record(request);
        self.good_answer(pb::GetReconciliationResponse { reconciliation: Some(a_run()) }).await
    }

    async fn list_reconciliations(
        &self,
        request: Request<pb::ListReconciliationsRequest>,
    ) -> Result<Response<pb::ListReconciliationsResponse>, Status> {
        self.record(request);
        let (reconciliations, next_page_token) = (vec![a_requested_run(), a_run()], "more".into());
        self.good_answer(pb::ListReconciliationsResponse { reconciliations, next_page_token }).await
    }

    async fn list_exceptions(
        &self,
        request: Request<pb::ListExceptionsRequest>,
    ) -> Result<Response<pb::ListExceptionsResponse>, Status> {
        self.record(request);
        let next_page_token = String::new();
        self.good_answer(pb::ListExceptionsResponse { exceptions: exceptions(), next_page_token }).await
    }
}
