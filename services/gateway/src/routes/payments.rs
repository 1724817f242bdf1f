//! `/orders/{id}/payments`

use actix_web::web;
use envelope::Reason;
use primitives::OrderId;
use proto::order::v1::ListOrderPaymentsRequest;

use crate::dto::{Items, PayOrder, Payment};
use crate::endpoint::{Access, Endpoint, OperationId, Verb};
use crate::input::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;

const PAYMENTS: &str = "/api/v1/orders/{id}/payments";

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Post, PAYMENTS, Access::Owner, OperationId::PayOrder, || web::to(pay))
            .summary("Pays an order, from the balance or by card. An order is paid at most once.")
            .orders()
            .pays()
            .idempotent()
            .takes::<PayOrder>()
            .creates::<Payment>()
            .refuses(&[
                Reason::OrderNotFound,
                Reason::Forbidden,
                Reason::InvalidState,
                Reason::InsufficientFunds,
                Reason::PaymentDeclined,
            ]),
        Endpoint::new(Verb::Get, PAYMENTS, Access::Owner, OperationId::ListPayments, || web::to(list))
            .summary("Lists the payments of an order, newest first.")
            .gives::<Items<Payment>>()
            .refuses(&[Reason::OrderNotFound]),
    ]
}

async fn pay(mut call: Call) -> Result<Reply<Payment>, Refusal> {
    call.no_query()?;
    let id: OrderId = call.path("id")?;
    let key = call.idempotency_key()?;
    let request = call.body::<PayOrder>().await?.check(id, &key)?;
    let response = call.services().pay_order(request).await?;
    let (metadata, response, _) = response.into_parts();
    Ok(Reply::created(Payment::try_from(response.payment)?).replayed(&metadata))
}

async fn list(call: Call) -> Result<Reply<Items<Payment>>, Refusal> {
    call.no_query()?;
    let id: OrderId = call.path("id")?;
    let request = ListOrderPaymentsRequest { order_id: id.to_string() };
    let response = call.services().list_order_payments(request).await?.into_inner();
    Ok(Reply::ok(Items::of(response.payments)?))
}
