//! Mutual TLS between services: each proves who it is, to whom it calls and to who calls it. Certificates that are
//! renewed are taken over from their files while connections stay.

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
use files::{Files, Made};

/// A connection, plain or not.
pub type Wire = Either<TcpStream, tokio_rustls::TlsStream<TcpStream>>;

/// Who this process is and whom it believes, as its files say now. Clones share it.
#[derive(Debug, Clone)]
pub struct Tls {
    made: Arc<ArcSwap<Made>>,
}

impl Tls {
    /// Reads the files, and takes over what they become in a task of the process. Connections that there are then stay.
    ///
    /// # Errors
    /// When the files can't be read, are not what they should be, or do not belong together.
    pub async fn start(config: &TlsConfig, tasks: &Tasks) -> Result<Self, TlsError> {
        let files = Files::read(config).await?;
        let tls = Self { made: Arc::new(ArcSwap::from_pointee(files.make(config)?)) };
        let following = tls.clone().follow(config.clone(), files, tasks.stop_signal());
        tasks.spawn("certificates", OnFailure::Stop, following);
        Ok(tls)
    }

    /// Has a caller prove who it is. The time for that is for the caller of this function to bound.
    ///
    /// # Errors
    /// When it does not, with the connection that it came by.
    pub async fn accept(&self, stream: TcpStream) -> Result<Wire, (io::Error, TcpStream)> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.made.load().server));
        Ok(Either::Right(acceptor.accept(stream).into_fallible().await?.into()))
    }

    /// Has the other end prove that it is the service of this name, wherever it was found, and shows it who this is.
    /// Whether it takes that, only its first answer tells. The time is for the caller of this function to bound.
    ///
    /// # Errors
    /// When it does not, or the name can't be a DNS name.
    pub async fn connect(&self, service: &str, stream: TcpStream) -> io::Result<Wire> {
        let name = ServerName::try_from(service.to_owned()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::clone(&self.made.load().client));
        Ok(Either::Right(connector.connect(name, stream).await?.into()))
    }

    async fn follow(self, config: TlsConfig, mut used: Files, stop: CancellationToken) -> Result<(), Infallible> {
        let mut looks = interval(config.refresh());
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failure = None;
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
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
            // A file that stays broken is told of once.
            if let Some(error) = failed.as_ref().filter(|_| failed != failure) {
                count("failed");
                tracing::error!(error, "the new certificate is not taken; the one before stays in use");
            }
            failure = failed;
        }
        Ok(())
    }

    /// Takes over what the files are now, if they are other than the ones in use.
    async fn renew(&self, config: &TlsConfig, used: &Files) -> Result<Option<Files>, TlsError> {
        let files = Files::read(config).await?;
        if files == *used {
            return Ok(None);
        }
        self.made.store(Arc::new(files.make(config)?));
        Ok(Some(files))
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("tls_renewals_total", "outcome" => outcome).increment(1);
}
