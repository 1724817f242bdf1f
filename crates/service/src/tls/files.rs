//! Builds the TLS settings of connections from the files of `[tls]`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::callers::Callers;
use super::config::TlsConfig;

/// The ALPN name of HTTP/2.
const HTTP2: &[u8] = b"h2";

/// Why the files of `[tls]` were refused. No message contains any part of the key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("{path} can't be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file contains no certificates. The message does not quote it, since it may be a key.
    #[error("{path} is not a certificate in PEM")]
    NotCertificates {
        /// The file.
        path: PathBuf,
    },
    /// The authority can't be used.
    #[error("{path} is not a valid authority")]
    Authority {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Peers would refuse the certificate.
    #[error("the authority does not vouch for {path}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The cause: another authority signed it, it has expired, or it is not valid for clients.
        #[source]
        source: rustls::Error,
    },
    /// The key file contains no key. The message does not quote it.
    #[error("{path} is not a private key in PEM (PKCS#8, SEC1 or PKCS#1)")]
    NotKey {
        /// The file.
        path: PathBuf,
    },
    /// The key belongs to another certificate, or is of an unsupported type.
    #[error("the key in {path} does not match the certificate")]
    Key {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: rustls::Error,
    },
    /// TLS 1.3 is not available.
    #[error("TLS can't be set up")]
    Version(#[source] rustls::Error),
}

/// The contents of the files. Not `Debug`, so that nothing prints the key.
#[derive(PartialEq, Eq)]
pub(super) struct Files {
    ca: Vec<u8>,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// The TLS settings of incoming and outgoing connections.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
}

impl Files {
    pub(super) async fn read(config: &TlsConfig) -> Result<Self, TlsError> {
        Ok(Self {
            ca: read(&config.ca).await?,
            certificate: read(&config.certificate).await?,
            key: read(&config.key).await?,
        })
    }

    /// TLS 1.3 only, without session resumption, which would skip the certificate. Connections are few and long-lived.
    pub(super) fn settings(&self, config: &TlsConfig) -> Result<Settings, TlsError> {
        let (roots, authority) = self.authority(config)?;
        let chain = certificates(&config.certificate, &self.certificate)?;
        // A certificate that peers would refuse must not replace a good one.
        authority
            .verify_client_cert(&chain[0], &chain[1..], UnixTime::now())
            .map_err(|source| TlsError::Certificate { path: config.certificate.clone(), source })?;
        let key =
            PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| TlsError::NotKey { path: config.key.clone() })?;
        let wrong_key = |source| TlsError::Key { path: config.key.clone(), source };
        let callers: Arc<dyn ClientCertVerifier> = match config.callers.clone() {
            Some(names) => Arc::new(Callers { authority, names }),
            None => authority,
        };
        let provider = Arc::new(ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Version)?
            .with_client_cert_verifier(callers)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(wrong_key)?;
        server.alpn_protocols = vec![HTTP2.to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Version)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(wrong_key)?;
        client.alpn_protocols = vec![HTTP2.to_vec()];
        client.resumption = Resumption::disabled();
        Ok(Settings { server: Arc::new(server), client: Arc::new(client) })
    }

    fn authority(&self, config: &TlsConfig) -> Result<(Arc<RootCertStore>, Arc<dyn ClientCertVerifier>), TlsError> {
        let mut roots = RootCertStore::empty();
        let failed = |source| TlsError::Authority { path: config.ca.clone(), source };
        for certificate in certificates(&config.ca, &self.ca)? {
            roots.add(certificate).map_err(|error| failed(error.into()))?;
        }
        let (roots, provider) = (Arc::new(roots), Arc::new(ring::default_provider()));
        let authority = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider).build();
        let authority = authority.map_err(|error: VerifierBuilderError| failed(error.into()))?;
        Ok((roots, authority))
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    tokio::fs::read(path).await.map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

/// The certificates of a file; at least one.
fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| TlsError::NotCertificates { path: path.to_owned() })
}
