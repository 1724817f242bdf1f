//! Configuration: one TOML file, with environment variables over it, parsed once and checked before anything is bound.
//! `FOURNINES__MONGO__MAX_POOL_SIZE=50` sets `max_pool_size` in `[mongo]`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use resilience::within;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file or the environment does not give a valid configuration.
    #[error("the configuration is not valid")]
    Invalid(#[from] config::ConfigError),
    /// A file with a secret can't be read or is empty.
    #[error("the secret in {path} can't be read")]
    Secret {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
}

/// Reads the file and lays the environment over it.
pub fn load<C: DeserializeOwned>(file: &Path) -> Result<C, ConfigError> {
    let environment =
        config::Environment::with_prefix("FOURNINES").prefix_separator("__").separator("__").try_parsing(true);
    let sources = config::Config::builder()
        .add_source(config::File::from(file).format(config::FileFormat::Toml))
        .add_source(environment);
    Ok(sources.build()?.try_deserialize()?)
}

/// Reads a secret from a file, without the white space around it.
pub fn read_secret(path: &Path) -> Result<SecretString, ConfigError> {
    let failed = |source| ConfigError::Secret { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    if text.trim().is_empty() {
        return Err(failed(std::io::Error::new(std::io::ErrorKind::InvalidData, "the file is empty")));
    }
    Ok(text.trim().into())
}

/// `[admin]`: the port for health checks and metrics. It must not be reachable from outside.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// The address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
}

/// `[log]`: what is logged, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `json` or `pretty`; by default `pretty` when stdout is a terminal, and `json` else.
    pub format: Option<LogFormat>,
    /// A filter of the form `info,order=debug`; `info` by default.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: None, filter: "info".to_owned() }
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a person at a terminal.
    Pretty,
}

/// `[telemetry]`: where traces go.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// The OTLP receiver for traces, by gRPC: `http://collector:4317`. None by default: traces then have ids, for the
    /// logs, and go nowhere.
    pub otlp_endpoint: Option<String>,
    /// The share of traces that is kept, from 0 to 1; 0.01. It goes by the trace's id: the same share in all processes
    /// keeps the same traces. Failed and slow requests are kept besides.
    pub sample_ratio: f64,
    /// From when a request is slow, in ms; 1,000.
    pub slow_ms: u64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { otlp_endpoint: None, sample_ratio: 0.01, slow_ms: 1_000 }
    }
}

/// `[server]`: the gRPC server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// The address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// How long requests that are under way may take after SIGTERM, in ms; 10,000 by default.
    #[serde(default = "default_drain_timeout_ms")]
    pub drain_timeout_ms: u64,
    /// The most requests under way at once on one connection; 8,192 by default. Beyond, callers wait
    /// on their side, unseen: a service that refuses what is too much must be asked first.
    #[serde(default = "default_max_concurrent_streams")]
    pub max_concurrent_streams: u32,
    /// After how long a connection is ended in good order, in ms; 300,000 (5 minutes) by default, 1,000 at least. Its
    /// requests are finished however long they take, and callers connect again, so that replicas that were added are
    /// found behind proxies too.
    #[serde(default = "default_max_connection_age_ms")]
    pub max_connection_age_ms: u64,
}

impl ServerConfig {
    /// The defaults, on this address.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            drain_timeout_ms: default_drain_timeout_ms(),
            max_concurrent_streams: default_max_concurrent_streams(),
            max_connection_age_ms: default_max_connection_age_ms(),
        }
    }

    /// After how long a connection is ended in good order.
    pub fn max_connection_age(&self) -> Duration {
        Duration::from_millis(self.max_connection_age_ms.max(1_000))
    }

    /// How long requests that are under way may take after SIGTERM.
    pub fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }
}

/// Ten seconds: the default of `drain_timeout_ms` wherever it stands.
pub fn default_drain_timeout_ms() -> u64 {
    10_000
}

fn default_max_concurrent_streams() -> u32 {
    8_192
}

fn default_max_connection_age_ms() -> u64 {
    300_000
}
