//! The connection to one replica, made when first used and again when lost. Whether that worked is noted.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use tonic::transport::{Channel, Endpoint};
use tower::ServiceExt as _;

use super::rest::Rest;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Pings find a peer that is gone without a word.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);

/// A channel that connects by itself and keeps `rest` informed.
pub(super) fn lazily(uri: &http::Uri, rest: &Arc<Rest>) -> Channel {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    let rest = Arc::clone(rest);
    let connector = tower::service_fn(move |uri: http::Uri| {
        let (rest, tcp) = (Arc::clone(&rest), tcp.clone());
        async move {
            let connecting = tokio::time::timeout(CONNECT_TIMEOUT, tcp.oneshot(uri.clone()));
            let connected: Result<_, tower::BoxError> = match connecting.await {
                Ok(Ok(stream)) => Ok(stream),
                Ok(Err(error)) => Err(error.into()),
                Err(late) => Err(late.into()),
            };
            note(&rest, &uri, &connected);
            connected
        }
    });
    Endpoint::from(uri.clone())
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .connect_with_connector_lazy(connector)
}

/// The log says once that a replica is away, and once that it is back.
fn note<T>(rest: &Rest, uri: &http::Uri, connected: &Result<T, tower::BoxError>) {
    match connected {
        Ok(_) => {
            if rest.reached() {
                tracing::info!(replica = %uri, "the replica can be reached again");
            }
        }
        Err(error) => {
            if rest.unreachable() {
                let error = error.as_ref() as &dyn std::error::Error;
                tracing::warn!(replica = %uri, error, "a replica can't be reached; others are asked");
            }
        }
    }
}
