//! The stock ledger, for the reconciliation.

use futures::stream::BoxStream;
use proto::inventory::v1::stock_audit_service_server::StockAuditService;
use proto::inventory::v1::{
    AuditCountersRequest, AuditCountersResponse, AuditMovementSumsRequest, AuditMovementSumsResponse,
    AuditMovementsRequest, AuditMovementsResponse, AuditedMovement as MovementMessage, Counter, MovementSum,
};
use service::grpc::{invalid, parse_all, stream_pages};
use stock::{AuditedMovement, Ledger, SkuPieces};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// The most SKUs of a request.
const MAX_SKUS: usize = 50_000;

/// Serves `StockAuditService`.
#[derive(Clone)]
pub(crate) struct AuditGrpc {
    ledger: Ledger,
    /// Ends open streams.
    drain: CancellationToken,
}

impl AuditGrpc {
    pub(crate) fn new(ledger: Ledger, drain: CancellationToken) -> Self {
        Self { ledger, drain }
    }
}

#[tonic::async_trait]
impl StockAuditService for AuditGrpc {
    type AuditMovementsStream = BoxStream<'static, Result<AuditMovementsResponse, Status>>;
    type AuditCountersStream = BoxStream<'static, Result<AuditCountersResponse, Status>>;
    type AuditMovementSumsStream = BoxStream<'static, Result<AuditMovementSumsResponse, Status>>;

    async fn audit_movements(
        &self,
        request: Request<AuditMovementsRequest>,
    ) -> Result<Response<Self::AuditMovementsStream>, Status> {
        let request = request.into_inner();
        let time = |field, time: Option<_>| {
            time.map(|time| proto::to_timestamp(field, Some(time)).map_err(invalid)).transpose()
        };
        let (from, to) = (time("made_from", request.made_from)?, time("made_to", request.made_to)?);
        let cut = proto::to_cut("as_of", request.as_of).map_err(invalid)?;
        let pages = self.ledger.audit_movements(cut.into(), from, to);
        let to_message =
            |page: Vec<_>| AuditMovementsResponse { movements: page.into_iter().map(from_movement).collect() };
        Ok(stream_pages(pages, self.drain.clone(), to_message))
    }

    async fn audit_counters(
        &self,
        request: Request<AuditCountersRequest>,
    ) -> Result<Response<Self::AuditCountersStream>, Status> {
        let request = request.into_inner();
        let skus = parse_all("skus", &request.skus, MAX_SKUS)?;
        let cut = proto::to_cut("as_of", request.as_of).map_err(invalid)?;
        let pages = self.ledger.audit_counters(cut.into(), &skus);
        let counter = |one: SkuPieces| Counter { sku: one.sku.to_string(), available: one.pieces };
        let to_message =
            move |page: Vec<_>| AuditCountersResponse { counters: page.into_iter().map(counter).collect() };
        Ok(stream_pages(pages, self.drain.clone(), to_message))
    }

    async fn audit_movement_sums(
        &self,
        request: Request<AuditMovementSumsRequest>,
    ) -> Result<Response<Self::AuditMovementSumsStream>, Status> {
        let request = request.into_inner();
        let skus = parse_all("skus", &request.skus, MAX_SKUS)?;
        let cut = proto::to_cut("as_of", request.as_of).map_err(invalid)?;
        let pages = self.ledger.audit_movement_sums(cut.into(), &skus);
        let sum = |one: SkuPieces| MovementSum { sku: one.sku.to_string(), moved: one.pieces };
        let to_message = move |page: Vec<_>| AuditMovementSumsResponse { sums: page.into_iter().map(sum).collect() };
        Ok(stream_pages(pages, self.drain.clone(), to_message))
    }
}

fn from_movement(movement: AuditedMovement) -> MovementMessage {
    MovementMessage { movement_id: movement.id.to_string(), sku: movement.sku.to_string(), delta: movement.delta }
}
