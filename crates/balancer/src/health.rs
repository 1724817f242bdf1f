//! Asking replicas by `grpc.health.v1` whether they are well.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::endpoint::{Endpoint, Unanswered};
use crate::pool::{Pool, buffer};

/// The largest health check that is read.
const HEALTH_BODY: usize = 4_096;

/// Asks an endpoint after its health, again and again.
pub(crate) async fn ask_health(pool: Arc<Pool>, endpoint: Arc<Endpoint>) {
    let config = pool.health();
    let (mut good, mut bad) = (0, 0);
    let mut pause = config.interval().mul_f64(rand::random());
    loop {
        tokio::time::sleep(pause).await;
        pause = config.interval();
        if !endpoint.connection.is_open() {
            // Nothing to ask: whoever can't be reached is not called.
            continue;
        }
        let answer = tokio::time::timeout(config.timeout(), check(Arc::clone(&endpoint))).await;
        let is_well = answer.unwrap_or(false);
        (good, bad) = if is_well { (good + 1, 0) } else { (0, bad + 1) };
        let news = (bad == config.failures && endpoint.standing.set_healthy(false))
            || (good == config.successes && endpoint.standing.set_healthy(true));
        if news {
            let (upstream, replica) = (pool.upstream, &endpoint.address.uri);
            tracing::warn!(upstream, %replica, healthy = is_well, "the health of a replica changed");
            pool.count();
        }
    }
}

/// Whether an endpoint says that it serves. One that does not know the question is taken for well.
async fn check(endpoint: Arc<Endpoint>) -> bool {
    match HealthClient::new(Direct(endpoint)).check(HealthCheckRequest::default()).await {
        Ok(response) => response.into_inner().status == i32::from(ServingStatus::Serving),
        Err(status) => status.code() == tonic::Code::Unimplemented,
    }
}

/// The way to one endpoint and no other.
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
            let request = buffer(request, HEALTH_BODY).await?;
            endpoint.send(request).await.map_err(Unanswered::into_error)
        })
    }
}
