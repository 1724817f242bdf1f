//! Refuses a body that announces itself as too large before a byte of it is read. One that announces nothing is counted
//! where it is read.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, web};

use crate::app::Gateway;
use crate::input::too_large;
use crate::refusal::Refusal;

pub(crate) async fn limit_body(
    gateway: web::Data<Gateway>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let limit = gateway.http.body_limit_bytes;
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    // A length that is no number never gets here.
    let announced: usize = announced.and_then(|length| length.parse().ok()).unwrap_or(0);
    if announced > limit {
        return Ok(request.error_response(Refusal(too_large(limit))).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}
