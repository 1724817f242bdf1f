//! `/orders`

use actix_web::web;
use envelope::Reason;
use primitives::OrderId;
use proto::order::v1::{CancelOrderRequest, GetOrderRequest, ListOrdersRequest};

use crate::dto::{Order, OrderStatus, Page, PlaceOrder};
use crate::endpoint::{Access, Endpoint, QueryParameter, Verb};
use crate::input::Call;
use crate::openapi::schema;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::routes::PAGE;

const FILTER: [QueryParameter; 1] =
    [QueryParameter { name: "status", description: "Only orders that stand so.", schema: schema::order_status }];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Post, "/api/v1/orders", Access::User, "placeOrder", || web::to(place))
            .summary("Place an order. Its stock is taken with it, or the order is refused.")
            .orders()
            .idempotent()
            .takes::<PlaceOrder>()
            .creates::<Order>()
            .with_location()
            .with_etag()
            .refuses(&[Reason::SkuNotFound, Reason::InsufficientStock, Reason::InvalidState, Reason::RiskRejected]),
        Endpoint::new(Verb::Get, "/api/v1/orders", Access::Owner, "listOrders", || web::to(list))
            .summary("The own orders, newest first; an admin sees everybody's.")
            .query(&PAGE)
            .query(&FILTER)
            .gives::<Page<Order>>(),
        Endpoint::new(Verb::Get, "/api/v1/orders/{id}", Access::Owner, "getOrder", || web::to(get))
            .summary("An order. Somebody else's is not found.")
            .gives::<Order>()
            .with_etag()
            .refuses(&[Reason::OrderNotFound]),
        Endpoint::new(Verb::Post, "/api/v1/orders/{id}/cancel", Access::Owner, "cancelOrder", || web::to(cancel))
            .summary("Cancel an order. Its stock comes back, and so does what was paid.")
            .orders()
            .awaits_provider()
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
