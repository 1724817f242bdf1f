//! The application: its shared state, and its layers in onion order.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use service::{Readiness, Shell};

use crate::auth::Keys;
use crate::config::{Config, CorsConfig, DeadlinesConfig, HttpConfig};
use crate::placement::Placement;
use crate::upstreams::Upstreams;
use crate::{middleware, routes};

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) upstreams: Upstreams,
    pub(crate) placement: Placement,
    pub(crate) keys: Arc<Keys>,
    pub(crate) readiness: Readiness,
    pub(crate) http: HttpConfig,
    pub(crate) deadlines: DeadlinesConfig,
    pub(crate) cors: CorsConfig,
}

impl Gateway {
    pub(crate) fn new(shell: &Shell, config: &Config) -> Self {
        let upstreams = Upstreams::new(&config.upstreams);
        Self {
            keys: Arc::new(Keys::new(upstreams.clone())),
            placement: Placement::new(upstreams.order(), &config.placement),
            upstreams,
            readiness: shell.readiness.clone(),
            http: config.http.clone(),
            deadlines: config.deadlines.clone(),
            cors: config.cors.clone(),
        }
    }
}

/// The application of one worker. A layer wraps those that stand before it, so the last one is the outermost.
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
    let cors = middleware::cors(&gateway.cors);
    App::new()
        .app_data(gateway)
        .configure(routes::register)
        .wrap(from_fn(middleware::authenticate))
        .wrap(from_fn(middleware::limit_body))
        .wrap(from_fn(middleware::negotiate))
        .wrap(from_fn(middleware::compress_large_only))
        .wrap(actix_web::middleware::Compress::default())
        .wrap(from_fn(middleware::unmark_uncompressed))
        .wrap(from_fn(middleware::secure))
        .wrap(cors)
        .wrap(from_fn(middleware::envelope))
        .wrap(from_fn(middleware::recover))
        .wrap(from_fn(middleware::log_access))
        .wrap(from_fn(middleware::identify))
}
