//! One connection to a fault proxy, and its requests.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;

use super::upstream::Upstream;
use super::{Fault, State, without_delay};

/// The most concurrent requests of a connection: those that hang must leave room for others.
const MAX_STREAMS: u32 = 16_384;
/// The HTTP/2 windows in bytes: that of a request's body, and that of all bodies of a connection, so that the bodies of
/// waiting requests don't hold up others.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 64 << 20;

/// Serves a connection until either side ends it.
pub(super) async fn serve(stream: TcpStream, state: watch::Receiver<State>) {
    let (mut pausing, mut resuming) = (state.clone(), state.clone());
    let upstream = Arc::new(Upstream::default());
    let service = service_fn(move |request| {
        let (upstream, state) = (Arc::clone(&upstream), state.borrow().clone());
        async move { Ok::<_, Infallible>(answer(request, state, &upstream).await) }
    });
    let stream = match without_delay(stream) {
        Ok(stream) => TokioIo::new(stream),
        Err(error) => return tracing::debug!(%error, "a connection to a fault proxy ended at once"),
    };
    let serving = http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(MAX_STREAMS)
        // After a silence many requests may come together with their cancellation.
        .max_pending_accept_reset_streams(usize::try_from(MAX_STREAMS).ok())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .serve_connection(stream, service);
    let mut serving = pin!(serving);
    // A connection that is not polled neither reads nor writes.
    while resuming.wait_for(|state| state.fault != Fault::Silent).await.is_ok() {
        tokio::select! {
            biased;
            paused = pausing.wait_for(|state| state.fault == Fault::Silent) => if paused.is_err() { return },
            ended = &mut serving => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection to a fault proxy broke");
                }
                return;
            }
        }
    }
}

async fn answer(request: Request<Incoming>, state: State, upstream: &Upstream) -> Response<Body> {
    match state.fault {
        Fault::None | Fault::Silent | Fault::Refuse => {}
        Fault::Delay(delay) => tokio::time::sleep(delay).await,
        Fault::Fail { percent, code } => {
            if rand::random_range(0..100) < percent {
                return Status::new(code, "an injected fault").into_http();
            }
        }
        Fault::Hang => return hang(request.into_body()).await,
    }
    let passed = match state.target {
        Some(target) => upstream.pass(request, &target).await,
        None => Err(Status::unavailable("the fault proxy has no target yet")),
    };
    passed.unwrap_or_else(Status::into_http)
}

/// The body is read, since unread data would count against the window of the connection.
async fn hang(mut body: Incoming) -> Response<Body> {
    while let Some(Ok(_taken)) = body.frame().await {}
    std::future::pending().await
}
