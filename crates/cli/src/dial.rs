//! Connects to a service at an address.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use hyper_util::rt::TokioIo;
use service::Shell;
use service::tls::{Tls, TlsConfig};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint, Uri};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The client certificate of the command, for services with mutual TLS.
#[derive(Debug, Clone, Args)]
pub struct Identity {
    /// For services with mutual TLS: the certificate of the authority that issued theirs, PEM.
    #[arg(long, value_name = "FILE", requires_all = ["tls_certificate", "tls_key"])]
    tls_ca: Option<PathBuf>,
    /// A certificate of that authority, PEM, with a name that the services accept.
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    tls_certificate: Option<PathBuf>,
    /// The private key of the certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    tls_key: Option<PathBuf>,
}

impl Identity {
    /// Reads the files, if they are given.
    ///
    /// # Errors
    /// When they can't be read or do not belong together.
    pub async fn read(self) -> anyhow::Result<Option<Tls>> {
        let (Some(ca), Some(certificate), Some(key)) = (self.tls_ca, self.tls_certificate, self.tls_key) else {
            return Ok(None);
        };
        let config = TlsConfig::new(ca, certificate, key);
        Ok(Some(Tls::start(&config, &Shell::without_admin().tasks).await?))
    }
}

/// A channel to one process; with an identity, the process must prove to be this service. Connects with the first call.
///
/// # Errors
/// When the address is not a URL.
pub fn channel(service: &'static str, address: &str, tls: Option<&Tls>) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(address.to_owned())
        .with_context(|| format!("the address of {service} is not valid"))?
        .connect_timeout(CONNECT_TIMEOUT);
    let Some(tls) = tls.cloned() else { return Ok(endpoint.connect_lazy()) };
    let connect = move |to: Uri| {
        let tls = tls.clone();
        async move {
            let port = to.port_u16().unwrap_or(443);
            let stream = TcpStream::connect((to.host().unwrap_or_default(), port)).await?;
            tls.connect(service, stream).await.map(TokioIo::new)
        }
    };
    Ok(endpoint.connect_with_connector_lazy(tower::service_fn(connect)))
}
