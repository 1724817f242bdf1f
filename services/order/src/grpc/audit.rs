//! The books of the order service, for the reconciliation.

use futures::stream::BoxStream;
use proto::order::v1::order_audit_service_server::OrderAuditService;
use proto::order::v1::{
    AuditMovedPiecesRequest, AuditMovedPiecesResponse, AuditOrdersRequest, AuditOrdersResponse,
    AuditedOrder as OrderMessage, MovedPieces as PiecesMessage,
};
use service::grpc::{invalid, parse_all, stream_pages};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::convert::from_status;
use crate::domain::{AuditedOrder, MovedPieces};
use crate::store::Store;

/// The most ids of a request.
const MAX_IDS: usize = 50_000;

/// Serves `OrderAuditService`.
#[derive(Clone)]
pub(crate) struct AuditGrpc {
    store: Store,
    /// Ends open streams.
    drain: CancellationToken,
}

impl AuditGrpc {
    pub(crate) fn new(store: Store, drain: CancellationToken) -> Self {
        Self { store, drain }
    }
}

#[tonic::async_trait]
impl OrderAuditService for AuditGrpc {
    type AuditOrdersStream = BoxStream<'static, Result<AuditOrdersResponse, Status>>;
    type AuditMovedPiecesStream = BoxStream<'static, Result<AuditMovedPiecesResponse, Status>>;

    async fn audit_orders(
        &self,
        request: Request<AuditOrdersRequest>,
    ) -> Result<Response<Self::AuditOrdersStream>, Status> {
        let request = request.into_inner();
        let orders = parse_all("order_ids", &request.order_ids, MAX_IDS)?;
        let cut = proto::to_cut("as_of", request.as_of).map_err(invalid)?;
        let pages = self.store.audit_orders(cut.into(), &orders);
        let to_message = |page: Vec<_>| AuditOrdersResponse { orders: page.into_iter().map(from_audited).collect() };
        Ok(stream_pages(pages, self.drain.clone(), to_message))
    }

    async fn audit_moved_pieces(
        &self,
        request: Request<AuditMovedPiecesRequest>,
    ) -> Result<Response<Self::AuditMovedPiecesStream>, Status> {
        let request = request.into_inner();
        let orders = parse_all("order_ids", &request.order_ids, MAX_IDS)?;
        let time = |field, time: Option<_>| {
            time.map(|time| proto::to_timestamp(field, Some(time)).map_err(invalid)).transpose()
        };
        let (from, to) = (time("moved_from", request.moved_from)?, time("moved_to", request.moved_to)?);
        let cut = proto::to_cut("as_of", request.as_of).map_err(invalid)?;
        let pages = self.store.audit_moved_pieces(cut.into(), &orders, from, to);
        let to_message =
            |page: Vec<_>| AuditMovedPiecesResponse { moved_pieces: page.into_iter().map(from_moved).collect() };
        Ok(stream_pages(pages, self.drain.clone(), to_message))
    }
}

fn from_audited(order: AuditedOrder) -> OrderMessage {
    OrderMessage {
        order_id: order.id.to_string(),
        user_id: order.user_id.to_string(),
        status: from_status(order.status).into(),
        total: Some(proto::from_money(order.total)),
        being_paid: order.being_paid,
        refund_due: order.refund_due,
    }
}

fn from_moved(moved: MovedPieces) -> PiecesMessage {
    PiecesMessage { movement_id: moved.movement.to_string(), pieces: moved.pieces }
}
