//! The fault proxy in front of a real gRPC server.
#![allow(clippy::disallowed_methods)] // the tasks of a test end with it

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use devstack::Error;
use devstack::faults::{Fault, FaultProxy};
use http::Request;
use http_body_util::BodyExt as _;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_health::server::HealthReporter;

const BOUND: Duration = Duration::from_secs(10);
/// How long a test waits for an answer that must not come.
const MOMENT: Duration = Duration::from_millis(300);

/// A health server with a proxy in front, and a client of the proxy.
struct Behind {
    proxy: FaultProxy,
    health: HealthReporter,
    client: HealthClient<Channel>,
    server: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Behind {
    async fn start() -> Self {
        let (health, service) = tonic_health::server::health_reporter();
        let incoming = TcpIncoming::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = incoming.local_addr().unwrap();
        let server = tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        let proxy = FaultProxy::start().await.unwrap();
        proxy.set_target(&format!("http://{address}")).unwrap();
        let client = client(&proxy);
        Self { proxy, health, client, server }
    }

    fn check(&self) -> impl Future<Output = Result<Response<HealthCheckResponse>, Status>> + use<> {
        check(&self.client, "")
    }

    /// A call on the same connection that is under way.
    fn begin(&self) -> tokio::task::JoinHandle<Result<Response<HealthCheckResponse>, Status>> {
        tokio::spawn(self.check())
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn client(proxy: &FaultProxy) -> HealthClient<Channel> {
    HealthClient::new(Endpoint::from_shared(proxy.url()).unwrap().connect_lazy())
}

fn check(
    client: &HealthClient<Channel>,
    service: &str,
) -> impl Future<Output = Result<Response<HealthCheckResponse>, Status>> + use<> {
    let (mut client, request) = (client.clone(), HealthCheckRequest { service: service.to_owned() });
    async move { client.check(request).await }
}

fn address(proxy: &FaultProxy) -> String {
    proxy.url().trim_start_matches("http://").to_owned()
}

async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(BOUND, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what} did not happen");
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, work).await.unwrap()
}

#[tokio::test]
async fn answers_streams_and_statuses_pass_through() {
    let mut behind = Behind::start().await;
    behind.check().await.unwrap();
    assert_eq!(check(&behind.client, "nobody").await.unwrap_err().code(), Code::NotFound);

    let request = HealthCheckRequest { service: String::new() };
    let mut watching = behind.client.clone().watch(request).await.unwrap().into_inner();
    let first = in_time(watching.message()).await.unwrap().unwrap();
    behind.health.set_service_status("", ServingStatus::NotServing).await;
    let second = in_time(watching.message()).await.unwrap().unwrap();
    assert_ne!(first.status, second.status);
    behind.health.clear_service_status("").await;
    assert!(in_time(watching.message()).await.unwrap().is_none(), "the end and its trailers come too");
}

#[tokio::test]
async fn requests_fail_as_unavailable_without_a_reachable_target() {
    let proxy = FaultProxy::start().await.unwrap();
    let client = client(&proxy);
    assert_eq!(check(&client, "").await.unwrap_err().code(), Code::Unavailable);
    let nobody = devstack::ports::pick(1).unwrap()[0];
    proxy.set_target(&format!("http://127.0.0.1:{nobody}")).unwrap();
    assert_eq!(check(&client, "").await.unwrap_err().code(), Code::Unavailable);

    let behind = Behind::start().await;
    proxy.set_target(&behind.proxy.url()).unwrap();
    check(&client, "").await.unwrap();
    for wrong in ["", "127.0.0.1:1", "http://127.0.0.1", "https://127.0.0.1:1"] {
        assert!(matches!(proxy.set_target(wrong), Err(Error::NotAnAddress(_))), "{wrong}");
    }
}

#[tokio::test]
async fn delayed_requests_do_not_hold_up_others() {
    let behind = Behind::start().await;
    behind.proxy.set(Fault::Delay(MOMENT));
    let started = Instant::now();
    behind.check().await.unwrap();
    assert!(started.elapsed() >= MOMENT);

    behind.proxy.set(Fault::Delay(Duration::from_secs(3_600)));
    let mut delayed = behind.begin();
    assert!(tokio::time::timeout(MOMENT, &mut delayed).await.is_err());
    behind.proxy.set(Fault::None);
    in_time(behind.check()).await.unwrap();
    assert!(!delayed.is_finished());
}

#[tokio::test]
async fn requests_fail_at_the_configured_rate() {
    let behind = Behind::start().await;
    for (percent, all) in [(0, 0..=0), (50, 20..=180), (100, 200..=200)] {
        behind.proxy.set(Fault::Fail { percent, code: Code::ResourceExhausted });
        let mut failed = 0;
        for _ in 0..200 {
            if let Err(status) = behind.check().await {
                assert_eq!(status.code(), Code::ResourceExhausted);
                failed += 1;
            }
        }
        assert!(all.contains(&failed), "{failed} of 200 at {percent} %");
    }
}

#[tokio::test]
async fn a_failure_has_headers_only() {
    let behind = Behind::start().await;
    behind.proxy.set(Fault::Fail { percent: 100, code: Code::Internal });
    let stream = TcpStream::connect(address(&behind.proxy)).await.unwrap();
    let (mut sender, driven) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driving = tokio::spawn(driven);
    let uri = format!("{}/grpc.health.v1.Health/Check", behind.proxy.url());
    let request = Request::post(uri).body(http_body_util::Empty::<&[u8]>::new()).unwrap();
    let response = in_time(sender.send_request(request)).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/grpc");
    assert_eq!(response.headers()["grpc-status"], "13");
    assert!(in_time(response.into_body().frame()).await.is_none());
    driving.abort();
}

#[tokio::test]
async fn hanging_requests_are_never_answered_and_block_nobody() {
    let behind = Behind::start().await;
    behind.proxy.set(Fault::Hang);
    let mut hanging: Vec<_> = (0..300).map(|_| behind.begin()).collect();
    assert!(tokio::time::timeout(MOMENT, &mut hanging[0]).await.is_err());
    behind.proxy.set(Fault::None);
    in_time(behind.check()).await.unwrap();
    assert!(hanging.iter().all(|call| !call.is_finished()));
}

#[tokio::test]
async fn a_silent_proxy_stops_all_connections_until_the_fault_is_over() {
    let behind = Behind::start().await;
    behind.check().await.unwrap();
    behind.proxy.set(Fault::Silent);
    let mut call = behind.begin();
    let mut connection = TcpStream::connect(address(&behind.proxy)).await.unwrap();
    let mut greeting = [0; 9];
    let mut reading = Box::pin(connection.read_exact(&mut greeting));
    assert!(tokio::time::timeout(MOMENT, &mut reading).await.is_err());
    assert!(tokio::time::timeout(MOMENT, &mut call).await.is_err());

    behind.proxy.set(Fault::None);
    in_time(call).await.unwrap().unwrap();
    in_time(reading).await.unwrap();
    // The first frame of a server is its settings (RFC 9113, section 3.4).
    assert_eq!(greeting[3], 4);
}

#[tokio::test]
async fn refusing_closes_connections_and_the_port_until_the_fault_is_over() {
    let behind = Behind::start().await;
    behind.check().await.unwrap();
    behind.proxy.set(Fault::Hang);
    let under_way = behind.begin();
    behind.proxy.set(Fault::Refuse);
    assert!(in_time(under_way).await.unwrap().is_err());
    let address = address(&behind.proxy);
    let is_refused = async || TcpStream::connect(&address).await.is_err();
    eventually("a refused connection", is_refused).await;
    assert_eq!(behind.check().await.unwrap_err().code(), Code::Unavailable);

    behind.proxy.set(Fault::None);
    eventually("an answer", async || behind.check().await.is_ok()).await;
}

#[tokio::test]
async fn dropping_the_proxy_closes_everything() {
    let proxy = FaultProxy::start().await.unwrap();
    let (address, client) = (address(&proxy), client(&proxy));
    proxy.set(Fault::Hang);
    let call = tokio::spawn(check(&client, ""));
    drop(proxy);
    assert!(in_time(call).await.unwrap().is_err());
    eventually("a refused connection", async || TcpStream::connect(&address).await.is_err()).await;
}
