//! The stock ledger's calls.

use std::num::NonZeroI64;

use envelope::Error;
use proto::inventory::v1::stock_service_server::StockService;
use proto::inventory::v1::{
    AdjustStockRequest, AdjustStockResponse, GetStockRequest, GetStockResponse, ListStockMovementsRequest,
    ListStockMovementsResponse, StockMovement,
};
use service::RequestContext;
use stock::{Movement, Reason};
use tonic::{Request, Response, Status};

use super::{InventoryGrpc, page, parse_sku, reject};
use crate::app::Adjustment;

/// The largest change that one adjustment may make, in pieces.
const MAX_DELTA: u64 = 1_000_000_000;

#[tonic::async_trait]
impl StockService for InventoryGrpc {
    async fn get_stock(&self, request: Request<GetStockRequest>) -> Result<Response<GetStockResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let sku = parse_sku(&request.get_ref().sku)?;
        // Taken before the read: the answer is at least as new as it says.
        let as_of = primitives::now();
        let available = self.app.available(&sku, &context).await.map_err(reject)?;
        let as_of = Some(proto::from_timestamp(as_of));
        Ok(Response::new(GetStockResponse { sku: sku.to_string(), available, as_of }))
    }

    async fn adjust_stock(
        &self,
        request: Request<AdjustStockRequest>,
    ) -> Result<Response<AdjustStockResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let adjustment = adjustment(request.get_ref()).map_err(reject)?;
        let answer = self.app.adjust_stock(&context, adjustment).await.map_err(reject)?;
        let movement = Some(to_proto(answer.value));
        service::grpc::replay(AdjustStockResponse { movement }, answer.replay_of)
    }

    async fn list_stock_movements(
        &self,
        request: Request<ListStockMovementsRequest>,
    ) -> Result<Response<ListStockMovementsResponse>, Status> {
        let context = RequestContext::from_request(&request);
        context.require_admin().map_err(reject)?;
        let request = request.into_inner();
        let sku = parse_sku(&request.sku)?;
        let (size, token) = page(request.page);
        let listed = self.app.list_movements(&sku, size, &token, context.deadline).await;
        let (movements, next_page_token) = listed.map_err(reject)?;
        let movements = movements.into_iter().map(to_proto).collect();
        Ok(Response::new(ListStockMovementsResponse { movements, next_page_token }))
    }
}

fn adjustment(request: &AdjustStockRequest) -> Result<Adjustment, Error> {
    let wrong = |field: &str| {
        let field = field.to_owned();
        move |error: primitives::ParseError| Error::invalid(field, error.to_string())
    };
    let delta = NonZeroI64::new(request.delta)
        .filter(|delta| delta.unsigned_abs().get() <= MAX_DELTA)
        .ok_or_else(|| Error::invalid("delta", "must be -10^9 to 10^9 and not 0"))?;
    Ok(Adjustment {
        sku: request.sku.parse().map_err(wrong("sku"))?,
        delta,
        reason: Reason::adjustment(&request.reason).map_err(wrong("reason"))?,
        key: request.idempotency_key.parse().map_err(wrong("Idempotency-Key"))?,
    })
}

fn to_proto(movement: Movement) -> StockMovement {
    StockMovement {
        id: movement.id.to_string(),
        sku: movement.sku.to_string(),
        delta: movement.delta.get(),
        // A person's reason is shown as it was given; that it is one shows in the missing order.
        reason: match movement.reason {
            Reason::Adjustment(text) => text,
            ours => ours.to_string(),
        },
        order_id: movement.order_id.map(|id| id.to_string()),
        created_at: Some(proto::from_timestamp(movement.created_at)),
    }
}
