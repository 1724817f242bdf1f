//! The innermost layer: authorizes requests by the table of endpoints before any handler runs. The cheapest checks come
//! first.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, web};
use envelope::Reason;

use crate::auth::bearer_token;
use crate::endpoint::{Access, Endpoint, Rate};
use crate::exchange::Exchange;
use crate::input::too_large;
use crate::limits::Client;
use crate::middleware::compression;
use crate::middleware::negotiation::takes_json;
use crate::refusal::{self, Refusal};
use crate::state::Gateway;

pub(crate) async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let exchange = Exchange::of(&request);
    let mut response = match check(&request, &exchange).await {
        Ok(()) => next.call(request).await?.map_into_left_body(),
        Err(error) => request.error_response(Refusal(error)).map_into_right_body(),
    };
    if let Some(taken) = exchange.take_taken() {
        taken.tell(response.headers_mut());
    }
    compression::mark_small(&mut response);
    Ok(response)
}

async fn check(request: &ServiceRequest, exchange: &Exchange) -> Result<(), envelope::Error> {
    let Some(gateway) = request.app_data::<web::Data<Gateway>>() else {
        return Err(envelope::Error::internal("the gateway's state is not attached"));
    };
    // Paths outside of the table reveal nothing: routing responds that they do not exist.
    let endpoint = exchange.target.endpoint();
    if endpoint.is_some() && !takes_json(request.headers()) {
        return Err(refusal::not_acceptable());
    }
    let limit = gateway.http.body_limit_bytes;
    if announced_length(request) > limit {
        return Err(too_large(limit));
    }
    let Some(endpoint) = endpoint else { return Ok(()) };
    let authenticated = authenticate(gateway, endpoint, request, exchange).await;
    // Requests with a bad token count too, towards their address.
    count(gateway, endpoint, exchange)?;
    authenticated
}

/// The `Content-Length`: a body that is announced as too large is rejected before it is read. Without one, the limit
/// applies while reading.
fn announced_length(request: &ServiceRequest) -> usize {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    // The HTTP parser has rejected malformed lengths.
    announced.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// Authenticates the caller of endpoints that require one. For the others, a valid token still selects the rate limit.
async fn authenticate(
    gateway: &Gateway,
    endpoint: &Endpoint,
    request: &ServiceRequest,
    exchange: &Exchange,
) -> Result<(), envelope::Error> {
    let token = bearer_token(request.headers());
    if endpoint.access == Access::Public {
        if let Some(caller) = token.ok().and_then(|token| gateway.keys.recognise(token)) {
            exchange.recognise(caller);
        }
        return Ok(());
    }
    let caller = gateway.keys.verify(token?, exchange.deadline).await?;
    if endpoint.access == Access::Admin && !caller.is_admin() {
        exchange.recognise(caller);
        return Err(envelope::Error::new(Reason::Forbidden, "this operation is limited to administrators"));
    }
    exchange.set_caller(caller);
    Ok(())
}

/// Counts the request towards the rate limit of its client.
fn count(gateway: &Gateway, endpoint: &Endpoint, exchange: &Exchange) -> Result<(), envelope::Error> {
    let Some(rate) = endpoint.rate() else { return Ok(()) };
    let client = match rate {
        // Always by address: a token must not grant another limit for log-ins.
        Rate::Sessions => Client::at(exchange.client_address),
        Rate::Orders | Rate::Browse | Rate::Other => Client::of(exchange.client(), exchange.client_address),
    };
    let taken = gateway.limits.rates.take(rate, &client);
    let refusal = taken.refusal();
    exchange.set_taken(taken);
    refusal.map_or(Ok(()), Err)
}
