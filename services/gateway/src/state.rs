//! The state of the gateway, shared by all workers.

use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use service::{Readiness, Shell};

use crate::auth::Keys;
use crate::catalogue::Catalogue;
use crate::config::{AccessLogConfig, Config, CorsConfig, DeadlinesConfig, HttpConfig};
use crate::limits::Limits;
use crate::placement::Placement;
use crate::security_headers;
use crate::upstreams::Upstreams;

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
            hsts: security_headers::hsts(config.http.hsts_max_age_seconds),
            http: config.http.clone(),
            access_log: config.access_log.clone(),
            deadlines: config.deadlines.clone(),
            cors: config.cors.clone(),
        }
    }
}
