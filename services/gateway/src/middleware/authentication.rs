//! Decides by the table of endpoints, before any handler runs, whether the caller may call.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use envelope::Reason;
use service::Caller;

use crate::app::Gateway;
use crate::auth::bearer_token;
use crate::endpoint::Access;
use crate::exchange::{Exchange, Target};
use crate::refusal::Refusal;

pub(crate) async fn authenticate(
    gateway: web::Data<Gateway>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let exchange = Exchange::of(&request);
    // What is not in the table gives nothing away: routing answers that there is no such call.
    if let Target::Endpoint(endpoint) = exchange.target
        && endpoint.access != Access::Public
    {
        match admit(&gateway, endpoint.access, &request, &exchange).await {
            Ok(caller) => exchange.set_caller(caller),
            Err(error) => return Ok(request.error_response(Refusal(error)).map_into_right_body()),
        }
    }
    Ok(next.call(request).await?.map_into_left_body())
}

async fn admit(
    gateway: &Gateway,
    access: Access,
    request: &ServiceRequest,
    exchange: &Exchange,
) -> Result<Caller, envelope::Error> {
    let token = bearer_token(request.headers())?;
    let caller = gateway.keys.verify(token, exchange.deadline).await?;
    match access {
        Access::Admin if !caller.is_admin() => {
            Err(envelope::Error::new(Reason::Forbidden, "this call is for administrators"))
        }
        Access::Public | Access::User | Access::Owner | Access::Admin => Ok(caller),
    }
}
