//! `/users/me/balance`

use actix_web::web;
use proto::payment::v1::GetBalanceRequest;

use crate::dto::Balance;
use crate::endpoint::{Access, Endpoint, OperationId, Verb};
use crate::input::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Get, "/api/v1/users/me/balance", Access::User, OperationId::GetBalance, || web::to(get))
            .summary("Returns the caller's balance at the time of the request.")
            .gives::<Balance>(),
    ]
}

async fn get(call: Call) -> Result<Reply<Balance>, Refusal> {
    call.no_query()?;
    let response = call.services().get_balance(GetBalanceRequest {}).await?.into_inner();
    Ok(Reply::ok(Balance::try_from(response.balance)?))
}
