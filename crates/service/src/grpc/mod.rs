//! The gRPC server of a process: health v1, reflection, tracing, metrics, recovery from panics, and a bounded drain.
//! Also the parts of handlers that all services share.

mod incoming;
mod layer;
mod linger;

use std::fmt::Display;
use std::str::FromStr;

use anyhow::Context as _;
use envelope::Error;
use futures::future::ready;
use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use primitives::ParseError;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::metadata::errors::InvalidMetadataValue;
use tonic::service::RoutesBuilder;
use tonic::transport::Server;
use tonic::{Response, Status};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::config::ServerConfig;
use crate::{OnFailure, Shell};
pub use incoming::incoming;
use layer::ObserveLayer;
pub use linger::Linger;

/// Converts an error to the status for the wire, and logs it with its cause if it is a server fault.
pub fn reject(error: Error) -> Status {
    if error.is_server_fault() {
        tracing::warn!(reason = error.reason().name(), error = ?error, "a call failed");
    }
    error.into_status()
}

/// Rejects a message that does not convert to domain types: `INVALID_ARGUMENT` with the cause.
pub fn invalid(error: impl Display) -> Status {
    reject(Error::invalid("request", error.to_string()))
}

/// The metadata entry of a replayed answer: the id of the request that got the answer first.
pub const REPLAY_OF: &str = "x-idempotent-replay-of";

/// An answer, marked as a replay if it is one.
// The wire's own error type is large, as in all of tonic.
#[allow(clippy::result_large_err)]
pub fn replay<T>(message: T, replay_of: Option<String>) -> Result<Response<T>, Status> {
    let mut response = Response::new(message);
    if let Some(request_id) = replay_of {
        let value = request_id.parse().map_err(|error: InvalidMetadataValue| reject(Error::internal(error)))?;
        response.metadata_mut().insert(REPLAY_OF, value);
    }
    Ok(response)
}

/// Streams pages as messages. If `drain` fires, the stream ends with `UNAVAILABLE`, so that no reader takes a part for
/// the whole.
pub fn stream_pages<P, M, E>(
    pages: impl Stream<Item = Result<P, E>> + Send + 'static,
    drain: CancellationToken,
    to_message: impl Fn(P) -> M + Send + 'static,
) -> Response<BoxStream<'static, Result<M, Status>>>
where
    P: 'static,
    M: Send + 'static,
    E: Into<Error> + 'static,
{
    let messages = pages.map(move |page| page.map(&to_message).map_err(|error| reject(error.into())));
    let drained = drain.clone();
    let cut_off = stream::once(async move { drained.is_cancelled() })
        .filter_map(|cut_off| ready(cut_off.then(|| Err(Error::unavailable("the service is stopping").into_status()))));
    Response::new(messages.take_until(drain.cancelled_owned()).chain(cut_off).boxed())
}

/// Parses the ids of a message, at most `max`; `field` names them in the error.
// The wire's own error type is large, as in all of tonic.
#[allow(clippy::result_large_err)]
pub fn parse_all<T>(field: &'static str, texts: &[String], max: usize) -> Result<Vec<T>, Status>
where
    T: FromStr<Err = ParseError>,
{
    if texts.len() > max {
        return Err(reject(Error::invalid(field, format!("must be at most {max}"))));
    }
    let parsed = texts.iter().map(|text| text.parse()).collect::<Result<_, ParseError>>();
    parsed.map_err(|error| reject(Error::invalid(field, error.to_string())))
}

/// Serves `routes` until the drain has ended, at most `drain_timeout_ms` after its start.
pub async fn serve(
    shell: &Shell,
    config: &ServerConfig,
    listener: TcpListener,
    descriptors: &[u8],
    mut routes: RoutesBuilder,
) -> anyhow::Result<()> {
    let (reporter, health) = tonic_health::server::health_reporter();
    routes.add_service(health).add_service(
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()?,
    );
    report_health(shell, reporter);
    shell.readiness.serve();
    let serving = Server::builder()
        .max_concurrent_streams(config.max_concurrent_streams)
        .max_connection_age(config.max_connection_age())
        // Callers cancel at their deadlines, in an outage all at once. By default the server takes 20 resets for an
        // attack and closes the connection, with all other calls on it.
        .http2_max_pending_accept_reset_streams(usize::try_from(config.max_concurrent_streams).ok())
        .layer(ObserveLayer)
        .add_routes(routes.routes())
        .serve_with_incoming_shutdown(incoming(listener, shell.tls.clone()), shell.drain_signal().cancelled_owned());
    let drain = shell.drain_signal();
    let overdue = async {
        drain.cancelled().await;
        tokio::time::sleep(config.drain_timeout()).await;
    };
    tokio::select! {
        served = serving => served.context("the gRPC server failed"),
        () = overdue => {
            tracing::warn!("requests were still in flight at the end of the drain");
            Ok(())
        }
    }
}

/// Keeps the overall status of the health service (the empty name) equal to readiness.
fn report_health(shell: &Shell, reporter: HealthReporter) {
    let readiness = shell.readiness.clone();
    let stop = shell.tasks.stop_signal();
    shell.tasks.spawn("health", OnFailure::Stop, async move {
        let mut ready = readiness.is_ready();
        loop {
            let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
            reporter.set_service_status("", status).await;
            match stop.run_until_cancelled(readiness.changed_from(ready)).await {
                Some(now) => ready = now,
                None => return Ok::<(), std::convert::Infallible>(()),
            }
        }
    });
}
