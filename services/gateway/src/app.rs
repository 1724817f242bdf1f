//! The application: its shared state and its middleware, from the inside out.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderValue;
use actix_web::middleware::{Compress, from_fn};
use actix_web::{App, web};
use service::{Readiness, Shell};

use crate::auth::Keys;
use crate::catalogue::Catalogue;
use crate::config::{AccessLogConfig, Config, CorsConfig, DeadlinesConfig, HttpConfig};
use crate::front::Front;
use crate::limits::Limits;
use crate::placement::Placement;
use crate::upstreams::Upstreams;
use crate::{middleware, routes};

/// The state shared by all requests.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) upstreams: Arc<Upstreams>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) limits: Limits,
    pub(crate) placement: Placement,
    pub(crate) keys: Arc<Keys>,
    pub(crate) readiness: Readiness,
    pub(crate) http: HttpConfig,
    pub(crate) access_log: AccessLogConfig,
    pub(crate) deadlines: DeadlinesConfig,
    pub(crate) cors: CorsConfig,
    /// The value of `Strict-Transport-Security`, if it is sent.
    pub(crate) hsts: Option<HeaderValue>,
}

impl Gateway {
    /// Starts the discovery of service replicas and of other gateways.
    pub(crate) fn start(shell: &Shell, config: &Config) -> Self {
        let upstreams = Upstreams::start(&config.upstreams, shell);
        Self {
            keys: Arc::new(Keys::new(Arc::clone(&upstreams))),
            catalogue: Arc::new(Catalogue::new(&config.cache, &shell.tasks)),
            limits: Limits::start(&config.limits, &shell.tasks),
            placement: Placement::new(&config.placement),
            upstreams,
            readiness: shell.readiness.clone(),
            hsts: middleware::hsts(config.http.hsts_max_age_seconds),
            http: config.http.clone(),
            access_log: config.access_log.clone(),
            deadlines: config.deadlines.clone(),
            cors: config.cors.clone(),
        }
    }
}

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
