//! Active health checks of replicas by `grpc.health.v1`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::config::HealthConfig;
use crate::endpoint::{Endpoint, SendError};
use crate::request::BufferedRequest;

/// The largest health check message.
const MAX_MESSAGE_BYTES: usize = 4_096;

/// Checks an endpoint periodically until dropped. `on_change` runs after its health has changed.
pub(crate) async fn check_periodically(
    upstream: &'static str,
    endpoint: Arc<Endpoint>,
    config: HealthConfig,
    on_change: impl Fn(),
) {
    let (mut good, mut bad) = (0, 0);
    // A random phase, so that processes do not check in step.
    let mut pause = config.interval().mul_f64(rand::random());
    loop {
        tokio::time::sleep(pause).await;
        pause = config.interval();
        if !endpoint.connection.is_open() {
            // A replica without a connection is not called anyway.
            continue;
        }
        let answer = tokio::time::timeout(config.timeout(), check(Arc::clone(&endpoint))).await;
        let is_healthy = answer.unwrap_or(false);
        (good, bad) = if is_healthy { (good + 1, 0) } else { (0, bad + 1) };
        let has_changed = (bad == config.failures && endpoint.standing.set_healthy(false))
            || (good == config.successes && endpoint.standing.set_healthy(true));
        if has_changed {
            let replica = &endpoint.address.uri;
            tracing::warn!(upstream, %replica, healthy = is_healthy, "the health of a replica changed");
            on_change();
        }
    }
}

/// Whether an endpoint reports that it serves. One without the health service counts as healthy.
async fn check(endpoint: Arc<Endpoint>) -> bool {
    match HealthClient::new(Direct(endpoint)).check(HealthCheckRequest::default()).await {
        Ok(response) => response.into_inner().status == i32::from(ServingStatus::Serving),
        Err(status) => status.code() == tonic::Code::Unimplemented,
    }
}

/// A tower service for one endpoint, past the balancer.
struct Direct(Arc<Endpoint>);

impl tower::Service<http::Request<tonic::body::Body>> for Direct {
    type Response = http::Response<Incoming>;
    type Error = tower::BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let endpoint = Arc::clone(&self.0);
        Box::pin(async move {
            let request = BufferedRequest::read(request, MAX_MESSAGE_BYTES).await?;
            endpoint.send(request).await.map_err(SendError::into_inner)
        })
    }
}
