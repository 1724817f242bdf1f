//! The application of a worker: its middleware, from the inside out.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Compress, from_fn};
use actix_web::{App, web};

use crate::front::Front;
use crate::state::Gateway;
use crate::{middleware, routes};

/// Builds the application of one worker. Each layer wraps the previous ones, so the last one is the outermost.
pub(crate) fn build(
    gateway: web::Data<Gateway>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = actix_web::Error,
        InitError = (),
    > + use<>,
> {
    let (cors, front) = (middleware::cors(&gateway.cors), Front::new(gateway.clone()));
    App::new()
        .app_data(gateway)
        .configure(routes::register)
        .wrap(from_fn(middleware::admit))
        .wrap(Compress::default())
        .wrap(cors)
        .wrap(from_fn(middleware::envelope))
        .wrap(from_fn(middleware::recover))
        .wrap(front)
}
