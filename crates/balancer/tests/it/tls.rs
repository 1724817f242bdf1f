//! Mutual TLS over real sockets: accepted and refused peers, and the renewal of certificates.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use balancer::Ask;
use envelope::Reason;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde_json::json;
use service::Shell;
use service::tls::{Tls, TlsConfig, TlsError};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::authority::{Authority, Identity};
use crate::support::callers::{Callers, until};
use crate::support::replica::Replica;

const AT_ONCE: usize = 20;
/// One attempt, so that a refusal fails at once.
const ONE_ATTEMPT: &str = r#"{ "retry": { "max_attempts": 1 } }"#;

/// An authority, with a folder for its certificates.
struct World {
    authority: Authority,
    folder: TempDir,
    shell: Shell,
}

impl World {
    fn new() -> Self {
        Self { authority: Authority::new(), folder: tempfile::tempdir().unwrap(), shell: Shell::without_admin() }
    }

    fn issue(&self, service: &str) -> Identity {
        self.authority.issue(self.folder.path(), service)
    }

    async fn tls(&self, service: &str) -> Tls {
        self.start(&config(&self.issue(service))).await.unwrap()
    }

    async fn start(&self, config: &TlsConfig) -> Result<Tls, TlsError> {
        Tls::start(config, &self.shell.tasks).await
    }

    /// A replica of order that the gateway may call.
    async fn replica(&self, max_age: Option<Duration>) -> Replica {
        let gateway = Some(vec!["gateway".try_into().unwrap()]);
        let config = TlsConfig { callers: gateway, ..config(&self.issue("order")) };
        let tls = self.start(&config).await.unwrap();
        Replica::start_with("127.0.0.1:0".parse().unwrap(), max_age, Some(tls))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shell.tasks.stop_signal().cancel();
    }
}

fn config(files: &Identity) -> TlsConfig {
    let Identity { ca, certificate, key } = files.clone();
    TlsConfig { refresh_ms: 20, ..TlsConfig::new(ca, certificate, key) }
}

/// Callers of order.
fn callers(addresses: &[SocketAddr], tls: Option<Tls>) -> Callers {
    let urls: Vec<_> = addresses.iter().map(|address| format!("http://{address}")).collect();
    Callers::of_service("order", json!(urls), serde_json::from_str(ONE_ATTEMPT).unwrap(), tls)
}

async fn expect_unreachable(callers: &Callers) {
    let error = callers.call(Ask::once()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Unavailable, "{error:?}");
}

fn chain(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(&fs::read(path).unwrap()).map(Result::unwrap).collect()
}

fn key(path: &Path) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(&fs::read(path).unwrap()).unwrap()
}

fn roots(ca: &Path) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(chain(ca));
    Arc::new(roots)
}

/// A client that trusts this authority and presents any certificate, which `Tls` would not.
fn client(ca: &Path, shown: Option<&Identity>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(ca));
    match shown {
        Some(shown) => builder.with_client_auth_cert(chain(&shown.certificate), key(&shown.key)).unwrap(),
        None => builder.with_no_client_auth(),
    }
}

/// Connects to order, and returns its certificate after its first bytes.
async fn ask(address: SocketAddr, client: ClientConfig) -> io::Result<CertificateDer<'static>> {
    let stream = TcpStream::connect(address).await?;
    let name = "order".try_into().unwrap();
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await?;
    stream.read_u8().await?;
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
}

/// Runs a server that presents any certificate, and returns the certificate that `caller` presents to it.
async fn shown_to(server: &Identity, caller: &Tls) -> io::Result<CertificateDer<'static>> {
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(&server.ca), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain(&server.certificate), key(&server.key))
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let connecting = async {
        let stream = TcpStream::connect(listener.local_addr()?).await?;
        caller.connect("order", stream).await
    };
    let accepting = async { TlsAcceptor::from(Arc::new(config)).accept(listener.accept().await?.0).await };
    let (connected, accepted) = tokio::join!(connecting, accepting);
    connected?;
    Ok(accepted?.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn authenticated_peers_make_calls_and_health_checks() {
    let world = World::new();
    let replicas = [world.replica(None).await, world.replica(None).await];
    let gateway = world.tls("gateway").await;
    let health = json!({ "health": { "interval_ms": 50, "failures": 2, "successes": 1 } });
    let urls = json!(replicas.each_ref().map(Replica::url));
    let callers = Callers::of_service("order", urls, health, Some(gateway));
    callers.until_all_are_called(&replicas.each_ref()).await;
    replicas[0].set_healthy(false);
    until("it is left alone", async || {
        let before = replicas[0].calls();
        callers.calls(Ask::idempotent(), 20, 4).await;
        replicas[0].calls() == before
    })
    .await;
    replicas[0].set_healthy(true);
    callers.until_all_are_called(&replicas.each_ref()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unauthenticated_callers_are_refused() {
    let world = World::new();
    let replica = world.replica(None).await;
    let gateway = world.issue("gateway");
    let ca = &gateway.ca;
    ask(replica.address(), client(ca, Some(&gateway))).await.unwrap();

    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = Authority::new().issue(elsewhere.path(), "gateway");
    let expired = world.authority.issue_expired(elsewhere.path(), "expired");
    for (shown, alert) in [
        (None, "CertificateRequired"),
        // Of another authority with the same name.
        (Some(&foreign), "DecryptError"),
        (Some(&expired), "CertificateExpired"),
        (Some(&world.issue("risk")), "AccessDenied"),
    ] {
        let error = ask(replica.address(), client(ca, shown)).await.unwrap_err();
        assert!(error.to_string().contains(alert), "{error} is not {alert}");
    }
    expect_unreachable(&callers(&[replica.address()], None)).await;
    expect_unreachable(&callers(&[replica.address()], Some(world.tls("risk").await))).await;
    assert_eq!(replica.calls(), 0);
    callers(&[replica.address()], Some(world.tls("gateway").await)).call(Ask::once()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_must_prove_to_be_the_called_service() {
    let world = World::new();
    let gateway = world.tls("gateway").await;
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = config(&Authority::new().issue(elsewhere.path(), "order"));
    let foreign = world.start(&foreign).await.unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let impostors = [
        Replica::start_with(any, None, Some(world.tls("payment").await)),
        Replica::start_with(any, None, Some(foreign)),
        Replica::start(),
    ];
    for impostor in &impostors {
        expect_unreachable(&callers(&[impostor.address()], Some(gateway.clone()))).await;
        assert_eq!(impostor.calls(), 0);
    }
    let expired = world.authority.issue_expired(elsewhere.path(), "order");
    let error = shown_to(&expired, &gateway).await.unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
    // The authentic one among impostors is found.
    let replica = world.replica(None).await;
    let mut addresses: Vec<_> = impostors.iter().map(Replica::address).collect();
    addresses.push(replica.address());
    let (_, errors) = callers(&addresses, Some(gateway)).calls(Ask::once(), 100, AT_ONCE).await;
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(replica.calls(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_while_certificates_are_renewed() {
    let world = World::new();
    // Connections are closed frequently, so that there are handshakes with old and new certificates.
    let replica = world.replica(Some(Duration::from_millis(150))).await;
    let gateway = world.tls("gateway").await;
    let callers = callers(&[replica.address()], Some(gateway.clone()));
    callers.call(Ask::once()).await.unwrap();
    let renewing = async {
        for _ in 0..5 {
            let [order, caller] = ["order", "gateway"].map(|service| world.issue(service));
            let [of_order, of_caller] = [&order, &caller].map(|files| chain(&files.certificate)[0].clone());
            until("the new certificates are shown", async || {
                let shown = ask(replica.address(), client(&caller.ca, Some(&caller))).await;
                shown.is_ok_and(|shown| shown == of_order) && shown_to(&order, &gateway).await.unwrap() == of_caller
            })
            .await;
            // A broken file, or one of another identity, changes nothing.
            let elsewhere = tempfile::tempdir().unwrap();
            let foreign = Authority::new().issue(elsewhere.path(), "order");
            fs::write(&order.key, "no key").unwrap();
            fs::copy(&foreign.certificate, &order.certificate).unwrap();
            let before = replica.calls();
            until("calls", async || replica.calls() > before + 200).await;
            let shown = ask(replica.address(), client(&caller.ca, Some(&caller))).await.unwrap();
            assert_eq!(shown, of_order);
        }
    };
    // Not even calls that must not be repeated.
    let (calls, errors) = callers.calls_during(Ask::once(), AT_ONCE, renewing).await;
    assert!(errors.is_empty(), "{} of {calls}: {errors:?}", errors.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_delay_nothing() {
    let world = World::new();
    let replica = world.replica(None).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(replica.address()).await.unwrap());
    }
    callers(&[replica.address()], Some(world.tls("gateway").await)).call(Ask::once()).await.unwrap();
    // They are closed in the end.
    let ended = tokio::time::timeout(Duration::from_secs(30), silent[0].read_u8()).await.unwrap();
    assert!(ended.is_err());
}

#[tokio::test]
async fn errors_in_the_files_are_reported_without_the_key() {
    let world = World::new();
    let other = world.issue("payment");
    let good = world.issue("order");
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = Authority::new().issue(elsewhere.path(), "order");
    let expired = world.authority.issue_expired(elsewhere.path(), "expired");
    let missing = elsewhere.path().join("missing");
    let cut_off = elsewhere.path().join("cut-off.key");
    let secret = fs::read_to_string(&good.key).unwrap().lines().nth(1).unwrap().to_owned();
    fs::write(&cut_off, format!("-----BEGIN {secret}\n{secret}\n")).unwrap();
    for (ca, certificate, key, expected) in [
        (&missing, &good.certificate, &good.key, "missing can't be read"),
        (&good.key, &good.certificate, &good.key, "is not a certificate in PEM"),
        (&good.ca, &cut_off, &good.key, "is not a certificate in PEM"),
        (&good.ca, &foreign.certificate, &foreign.key, "the authority does not vouch for"),
        (&good.ca, &expired.certificate, &expired.key, "expired"),
        (&good.ca, &good.certificate, &other.key, "does not match the certificate"),
        (&good.ca, &good.certificate, &good.certificate, "is not a private key"),
        (&good.ca, &good.certificate, &cut_off, "is not a private key"),
    ] {
        let config = TlsConfig::new(ca.clone(), certificate.clone(), key.clone());
        let error = whole(&world.start(&config).await.unwrap_err());
        assert!(error.contains(expected), "{error} is not {expected:?}");
        assert!(!error.contains(&secret), "{error}");
    }
    world.start(&config(&good)).await.unwrap();
}

/// An error with its causes, as `Display` and `Debug`.
fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(|error| format!("{error} {error:?} ")).collect()
}
