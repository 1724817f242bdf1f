//! `/orders`

use actix_web::web;
use envelope::Reason;
use primitives::OrderId;
use proto::order::v1::{CancelOrderRequest, GetOrderRequest, ListOrdersRequest};
use utoipa::PartialSchema as _;

use crate::dto::{Order, OrderStatus, Page, PlaceOrder};
use crate::endpoint::{Access, Endpoint, OperationId, QueryParameter, Verb};
use crate::input::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::routes::paging::PAGE;

const FILTER: [QueryParameter; 1] =
    [QueryParameter { name: "status", description: "Filters by order status.", schema: OrderStatus::schema }];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Post, "/api/v1/orders", Access::User, OperationId::PlaceOrder, || web::to(place))
            .summary("Places an order and takes its stock in one transaction, or rejects the order.")
            .orders()
            .idempotent()
            .takes::<PlaceOrder>()
            .creates::<Order>()
            .with_location()
            .with_etag()
            .refuses(&[Reason::SkuNotFound, Reason::InsufficientStock, Reason::InvalidState, Reason::RiskRejected]),
        Endpoint::new(Verb::Get, "/api/v1/orders", Access::Owner, OperationId::ListOrders, || web::to(list))
            .summary("Lists the caller's orders, newest first. Administrators see all orders.")
            .query(&PAGE)
            .query(&FILTER)
            .gives::<Page<Order>>(),
        Endpoint::new(Verb::Get, "/api/v1/orders/{id}", Access::Owner, OperationId::GetOrder, || web::to(get))
            .summary("Returns an order. Another user's order is not found.")
            .gives::<Order>()
            .with_etag()
            .refuses(&[Reason::OrderNotFound]),
        Endpoint::new(Verb::Post, "/api/v1/orders/{id}/cancel", Access::Owner, OperationId::CancelOrder, || {
            web::to(cancel)
        })
        .summary("Cancels an order, returns its stock and refunds its payment.")
        .orders()
        .idempotent()
        .gives::<Order>()
        .with_etag()
        .refuses(&[Reason::OrderNotFound, Reason::InvalidState]),
    ]
}

async fn place(mut call: Call) -> Result<Reply<Order>, Refusal> {
    call.no_query()?;
    let key = call.idempotency_key()?;
    let request = call.body::<PlaceOrder>().await?.check(&key)?;
    let key = call.gateway.placement.key(&request);
    let response = call.services().place_order(request, key.as_deref()).await?;
    let (metadata, response, _) = response.into_parts();
    let order = Order::try_from(response.order)?;
    let location = format!("/api/v1/orders/{}", order.id);
    Ok(Reply::created(order).tagged().location(location).replayed(&metadata))
}

async fn list(call: Call) -> Result<Reply<Page<Order>>, Refusal> {
    let mut query = call.query()?;
    let page = Some(query.take_page());
    let status = query.take("status", OrderStatus::parse).unwrap_or_default().into();
    query.finish()?;
    let response = call.services().list_orders(ListOrdersRequest { page, status }).await?.into_inner();
    Ok(Reply::ok(Page::of(response.orders, response.next_page_token)?))
}

async fn get(call: Call) -> Result<Reply<Order>, Refusal> {
    call.no_query()?;
    let id: OrderId = call.path("id")?;
    let request = GetOrderRequest { order_id: id.to_string() };
    let response = call.services().get_order(request).await?.into_inner();
    Ok(Reply::ok(Order::try_from(response.order)?).tagged())
}

async fn cancel(call: Call) -> Result<Reply<Order>, Refusal> {
    call.no_query()?;
    let id: OrderId = call.path("id")?;
    let idempotency_key = call.idempotency_key()?.as_str().to_owned();
    let request = CancelOrderRequest { order_id: id.to_string(), idempotency_key };
    let response = call.services().cancel_order(request).await?;
    let (metadata, response, _) = response.into_parts();
    Ok(Reply::ok(Order::try_from(response.order)?).tagged().replayed(&metadata))
}
