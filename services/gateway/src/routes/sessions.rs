//! `/sessions`

use actix_web::{HttpResponse, web};
use envelope::Reason;
use proto::user::v1::EndSessionRequest;

use crate::dto::{Login, RefreshToken, Tokens};
use crate::endpoint::{Access, Endpoint, OperationId, Verb};
use crate::input::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Post, "/api/v1/sessions", Access::Public, OperationId::LogIn, || web::to(create))
            .summary("Logs in and returns an access token and a refresh token.")
            .admits()
            .takes::<Login>()
            .creates::<Tokens>()
            .refuses(&[Reason::BadCredentials]),
        Endpoint::new(Verb::Post, "/api/v1/sessions/refresh", Access::Public, OperationId::RefreshSession, || {
            web::to(refresh)
        })
        .summary("Exchanges a refresh token for new tokens. Reusing a refresh token ends the session.")
        .takes::<RefreshToken>()
        .gives::<Tokens>()
        .refuses(&[Reason::Unauthenticated, Reason::TokenExpired, Reason::BadCredentials]),
        Endpoint::new(Verb::Delete, "/api/v1/sessions/current", Access::User, OperationId::LogOut, || web::to(end))
            .summary("Logs out: ends the current session and revokes its refresh tokens.")
            .gives_nothing(),
    ]
}

async fn create(mut call: Call) -> Result<Reply<Tokens>, Refusal> {
    call.no_query()?;
    let response = call.services().create_session(call.body::<Login>().await?.check()?).await?.into_inner();
    Ok(Reply::created(Tokens::try_from(response.tokens)?))
}

async fn refresh(mut call: Call) -> Result<Reply<Tokens>, Refusal> {
    call.no_query()?;
    let request = call.body::<RefreshToken>().await?.check()?;
    let response = call.services().refresh_session(request).await?.into_inner();
    Ok(Reply::ok(Tokens::try_from(response.tokens)?))
}

async fn end(call: Call) -> Result<HttpResponse, Refusal> {
    call.no_query()?;
    call.services().end_session(EndSessionRequest {}).await?;
    Ok(HttpResponse::NoContent().finish())
}
