//! Mutual TLS between services: both peers authenticate each other. Renewed certificates are reloaded from their files
//! without closing connections.

mod callers;
mod config;
mod files;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

use crate::{OnFailure, Tasks};
pub use config::TlsConfig;
pub use files::TlsError;
use files::{Files, Settings};

/// A connection, plain or with TLS.
pub type Wire = Either<TcpStream, tokio_rustls::TlsStream<TcpStream>>;

/// The identity of this process and the peers that it trusts, reloaded from files. Clones share it.
#[derive(Debug, Clone)]
pub struct Tls {
    settings: Arc<ArcSwap<Settings>>,
}

impl Tls {
    /// Reads the files, and reloads them in a task of the process. Existing connections stay.
    ///
    /// # Errors
    /// When the files can't be read, are not valid, or do not match.
    pub async fn start(config: &TlsConfig, tasks: &Tasks) -> Result<Self, TlsError> {
        let files = Files::read(config).await?;
        let tls = Self { settings: Arc::new(ArcSwap::from_pointee(files.settings(config)?)) };
        let following = tls.clone().follow(config.clone(), files, tasks.stop_signal());
        tasks.spawn("certificates", OnFailure::Stop, following);
        Ok(tls)
    }

    /// Authenticates an incoming connection. The caller must bound the time.
    ///
    /// # Errors
    /// When the peer is refused, with its connection.
    pub async fn accept(&self, stream: TcpStream) -> Result<Wire, (io::Error, TcpStream)> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.settings.load().server));
        Ok(Either::Right(acceptor.accept(stream).into_fallible().await?.into()))
    }

    /// Authenticates an outgoing connection: the peer must prove to be the service of this name, whatever its address,
    /// and gets the certificate of this process. Whether the peer accepts it shows in its first answer. The caller must
    /// bound the time.
    ///
    /// # Errors
    /// When the peer does not prove it, or the name is not a valid DNS name.
    pub async fn connect(&self, service: &str, stream: TcpStream) -> io::Result<Wire> {
        let name = ServerName::try_from(service.to_owned()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::clone(&self.settings.load().client));
        Ok(Either::Right(connector.connect(name, stream).await?.into()))
    }

    async fn follow(self, config: TlsConfig, mut used: Files, stop: CancellationToken) -> Result<(), Infallible> {
        let mut ticks = interval(config.refresh());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failure = None;
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let failed = match self.renew(&config, &used).await {
                Ok(None) => None,
                Ok(Some(files)) => {
                    used = files;
                    count("renewed");
                    tracing::info!("the certificate was renewed");
                    None
                }
                Err(error) => Some(format!("{:#}", anyhow::Error::from(error))),
            };
            // A file that stays broken is logged once.
            if let Some(error) = failed.as_ref().filter(|_| failed != failure) {
                count("failed");
                tracing::error!(error, "the new certificate was refused; the previous one stays in use");
            }
            failure = failed;
        }
        Ok(())
    }

    /// Reloads the files if they differ from the ones in use.
    async fn renew(&self, config: &TlsConfig, used: &Files) -> Result<Option<Files>, TlsError> {
        let files = Files::read(config).await?;
        if files == *used {
            return Ok(None);
        }
        self.settings.store(Arc::new(files.settings(config)?));
        Ok(Some(files))
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("tls_renewals_total", "outcome" => outcome).increment(1);
}
