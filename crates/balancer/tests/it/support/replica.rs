//! A real gRPC server that can be made slow, fail, hang, stop gracefully, or die.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use envelope::{Error, Reason};
use service::tls::Tls;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// The service whose health check serves as the call of the tests; the channel itself checks the empty name.
pub(crate) const CALL: &str = "call";

/// How calls are treated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mood {
    Well,
    Slow(Duration),
    FailsHalf,
    Fails,
    Hangs,
    Overloaded,
}

/// A server in its own runtime, so that it can die like a process.
pub(crate) struct Replica {
    address: SocketAddr,
    state: Arc<State>,
    stop: CancellationToken,
    served: Option<tokio::task::JoinHandle<()>>,
    runtime: Option<Runtime>,
}

#[derive(Debug)]
struct State {
    mood: Mutex<Mood>,
    is_healthy: AtomicBool,
    calls: AtomicUsize,
}

impl Replica {
    /// Starts on a free port of 127.0.0.1.
    pub(crate) fn start() -> Self {
        Self::start_on("127.0.0.1:0".parse().unwrap(), None)
    }

    /// Starts on an address. Connections are closed at this age.
    pub(crate) fn start_on(address: SocketAddr, max_age: Option<Duration>) -> Self {
        Self::start_with(address, max_age, None)
    }

    /// Like [`Self::start_on`], with mutual TLS.
    pub(crate) fn start_with(address: SocketAddr, max_age: Option<Duration>, tls: Option<Tls>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = bind(address);
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            mood: Mutex::new(Mood::Well),
            is_healthy: AtomicBool::new(true),
            calls: AtomicUsize::new(0),
        });
        let (stop, service) = (CancellationToken::new(), HealthServer::new(Service(Arc::clone(&state))));
        let mut server = Server::builder();
        if let Some(age) = max_age {
            server = server.max_connection_age(age);
        }
        let stopping = stop.clone().cancelled_owned();
        let served = runtime.spawn(async move {
            let incoming = service::grpc::incoming(TcpListener::from_std(listener).unwrap(), tls);
            server.add_service(service).serve_with_incoming_shutdown(incoming, stopping).await.unwrap();
        });
        Self { address, state, stop, served: Some(served), runtime: Some(runtime) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    pub(crate) fn set_healthy(&self, healthy: bool) {
        self.state.is_healthy.store(healthy, Ordering::Relaxed);
    }

    /// The number of calls so far.
    pub(crate) fn calls(&self) -> usize {
        self.state.calls.load(Ordering::Relaxed)
    }

    /// Stops gracefully: finishes requests in flight.
    pub(crate) async fn stop(&mut self) {
        self.stop.cancel();
        self.served.take().unwrap().await.unwrap();
        self.kill();
    }

    /// Stops at once; connections break.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Binds, and waits if a replica that has just died has not released the port yet.
fn bind(address: SocketAddr) -> std::net::TcpListener {
    let began = std::time::Instant::now();
    loop {
        match std::net::TcpListener::bind(address) {
            Ok(listener) => return listener,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(10), "{address}: {error}"),
        }
        std::thread::yield_now();
    }
}

struct Service(Arc<State>);

#[tonic::async_trait]
impl Health for Service {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        if request.get_ref().service != CALL {
            let is_well = self.0.is_healthy.load(Ordering::Relaxed);
            let status = if is_well { ServingStatus::Serving } else { ServingStatus::NotServing };
            return Ok(Response::new(HealthCheckResponse { status: status.into() }));
        }
        let number = self.0.calls.fetch_add(1, Ordering::Relaxed);
        let mood = *self.0.mood.lock().unwrap();
        match mood {
            Mood::Well => {}
            Mood::Slow(time) => tokio::time::sleep(time).await,
            Mood::FailsHalf if number.is_multiple_of(2) => {
                return Err(Status::unavailable("half of the time"));
            }
            Mood::FailsHalf => {}
            Mood::Fails => return Err(Status::unavailable("all of the time")),
            Mood::Hangs => std::future::pending().await,
            Mood::Overloaded => {
                return Err(Error::new(Reason::Overloaded, "too much").into_status());
            }
        }
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    type WatchStream = futures::stream::Pending<Result<HealthCheckResponse, Status>>;

    async fn watch(&self, _request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(futures::stream::pending()))
    }
}
