//! `StockService`.

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
use crate::domain::{Adjustment, Delta};

#[tonic::async_trait]
impl StockService for InventoryGrpc {
    async fn get_stock(&self, request: Request<GetStockRequest>) -> Result<Response<GetStockResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let sku = parse_sku(&request.get_ref().sku)?;
        let level = self.app.stock(&sku, context.deadline).await.map_err(reject)?;
        let as_of = Some(proto::from_timestamp(level.as_of));
        Ok(Response::new(GetStockResponse { sku: sku.to_string(), available: level.available, as_of }))
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
    let delta = Delta::try_from(request.delta).map_err(wrong("delta"))?;
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
        // An administrator's reason is shown as it was given; the movement has no order then.
        reason: match movement.reason {
            Reason::Adjustment(text) => text,
            ours => ours.to_string(),
        },
        order_id: movement.order_id.map(|id| id.to_string()),
        created_at: Some(proto::from_timestamp(movement.created_at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> AdjustStockRequest {
        AdjustStockRequest { sku: "a".into(), delta: 3, reason: "lost".into(), idempotency_key: "k".into() }
    }

    #[test]
    fn an_invalid_field_of_an_adjustment_is_named() {
        let adjusted = adjustment(&request()).unwrap().into_movement(primitives::now());
        assert_eq!((to_proto(adjusted.clone()).reason.as_str(), adjusted.delta.get()), ("lost", 3));
        let invalid = [
            ("delta", AdjustStockRequest { delta: 0, ..request() }),
            ("sku", AdjustStockRequest { sku: String::new(), ..request() }),
            ("reason", AdjustStockRequest { reason: " ".into(), ..request() }),
            ("Idempotency-Key", AdjustStockRequest { idempotency_key: "a b".into(), ..request() }),
        ];
        for (name, request) in invalid {
            let error = adjustment(&request).unwrap_err();
            let [envelope::Detail::Field { field, .. }] = error.details() else { panic!("{error:?}") };
            assert_eq!(field, name);
        }
    }
}
