//! The calls of the order service.

use std::str::FromStr;

use envelope::Error;
use primitives::{IdempotencyKey, OrderId, ParseError};
use proto::order::v1::order_service_server::OrderService;
use proto::order::v1::{
    CancelOrderRequest, CancelOrderResponse, GetOrderRequest, GetOrderResponse, ListOrderPaymentsRequest,
    ListOrderPaymentsResponse, ListOrdersRequest, ListOrdersResponse, PayOrderRequest, PayOrderResponse,
    PlaceOrderRequest, PlaceOrderResponse,
};
use service::RequestContext;
use service::grpc::replay;
use tonic::{Request, Response, Status};

use super::convert::{from_order, from_payment, to_lines, to_method, to_status};
use crate::app::App;
use crate::domain::{Cancellation, NewOrder, PaymentRequest};
use crate::error::OrderError;

/// The order service of this process.
#[derive(Clone)]
pub(crate) struct OrderGrpc {
    app: App,
}

impl OrderGrpc {
    pub(crate) fn new(app: App) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl OrderService for OrderGrpc {
    async fn place_order(&self, request: Request<PlaceOrderRequest>) -> Result<Response<PlaceOrderResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let request = request.into_inner();
        let key = parse_key(&request.idempotency_key)?;
        let lines = to_lines(request.lines).map_err(reject)?;
        let placed = self.app.place_order(&context, NewOrder { lines, key }).await.map_err(reject)?;
        replay(PlaceOrderResponse { order: Some(from_order(placed.value)) }, placed.replay_of)
    }

    async fn get_order(&self, request: Request<GetOrderRequest>) -> Result<Response<GetOrderResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let id = parse_id(&request.get_ref().order_id)?;
        let order = self.app.show_order(&context, id).await.map_err(reject)?;
        Ok(Response::new(GetOrderResponse { order: Some(from_order(order)) }))
    }

    async fn list_orders(&self, request: Request<ListOrdersRequest>) -> Result<Response<ListOrdersResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let request = request.into_inner();
        let status = to_status(request.status());
        let page = request.page.unwrap_or_default();
        let listed = self.app.list_orders(&context, status, page.page_size, &page.page_token).await;
        let (orders, next_page_token) = listed.map_err(reject)?;
        let orders = orders.into_iter().map(from_order).collect();
        Ok(Response::new(ListOrdersResponse { orders, next_page_token }))
    }

    async fn cancel_order(
        &self,
        request: Request<CancelOrderRequest>,
    ) -> Result<Response<CancelOrderResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let request = request.into_inner();
        let cancellation = Cancellation { id: parse_id(&request.order_id)?, key: parse_key(&request.idempotency_key)? };
        let cancelled = self.app.cancel_order(&context, cancellation).await.map_err(reject)?;
        replay(CancelOrderResponse { order: Some(from_order(cancelled.value)) }, cancelled.replay_of)
    }

    async fn pay_order(&self, request: Request<PayOrderRequest>) -> Result<Response<PayOrderResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let request = request.into_inner();
        let payment = PaymentRequest {
            id: parse_id(&request.order_id)?,
            key: parse_key(&request.idempotency_key)?,
            method: to_method(request.method).map_err(reject)?,
        };
        let paid = self.app.pay_order(&context, payment).await.map_err(reject)?;
        replay(PayOrderResponse { payment: Some(from_payment(paid.value)) }, paid.replay_of)
    }

    async fn list_order_payments(
        &self,
        request: Request<ListOrderPaymentsRequest>,
    ) -> Result<Response<ListOrderPaymentsResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let id = parse_id(&request.get_ref().order_id)?;
        let payments = self.app.list_payments(&context, id).await.map_err(reject)?;
        let payments = payments.into_iter().map(from_payment).collect();
        Ok(Response::new(ListOrderPaymentsResponse { payments }))
    }
}

fn reject(error: impl Into<OrderError>) -> Status {
    service::grpc::reject(Error::from(error.into()))
}

fn parse_id(text: &str) -> Result<OrderId, Status> {
    parse("id", text)
}

fn parse_key(text: &str) -> Result<IdempotencyKey, Status> {
    parse("Idempotency-Key", text)
}

// The wire's own error type is large, as in all of tonic.
#[allow(clippy::result_large_err)]
fn parse<T: FromStr<Err = ParseError>>(field: &str, text: &str) -> Result<T, Status> {
    text.parse().map_err(|error: ParseError| reject(Error::invalid(field, error.to_string())))
}
