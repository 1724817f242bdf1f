//! Configuration: one TOML file, overridden by environment variables, parsed once and checked before any port is bound.
//! `FOURNINES__MONGO__MAX_POOL_SIZE=50` sets `max_pool_size` in `[mongo]`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use resilience::within;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file and the environment do not form a valid configuration.
    #[error("the configuration is not valid")]
    Invalid(#[from] config::ConfigError),
    /// A file with a secret can't be read or is empty.
    #[error("the secret in {path} can't be read")]
    Secret {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// The configuration of a process; see [`process_config`](crate::process_config).
pub trait ServiceConfig: DeserializeOwned + Send + 'static {
    /// The `[log]` section, needed before the rest.
    fn log(&self) -> &LogConfig;

    /// The `[telemetry]` section, needed before the rest.
    fn telemetry(&self) -> &TelemetryConfig;
}

/// Declares the configuration of a process: its public port, the sections that every process has (`[admin]`, `[log]`,
/// `[telemetry]`, `[tls]`), and the sections of its own, in this order.
///
/// It is a macro because the form of the file must not change. An inner struct with `serde(flatten)` would put the
/// common sections into one type, but serde does not support it together with `deny_unknown_fields`. It also buffers
/// values, so that environment variables would no longer be converted to the type of their field, and errors would lose
/// the name of the setting.
///
/// ```
/// service::process_config! {
///     /// The configuration of the example service.
///     pub struct Config {
///         /// The gRPC server.
///         pub server: service::config::ServerConfig,
///         /// The greeting; empty by default.
///         #[serde(default)]
///         pub greeting: String,
///     }
/// }
///
/// fn listens_on(config: &Config) -> [std::net::SocketAddr; 2] {
///     [config.server.listen, config.admin.listen]
/// }
/// ```
#[macro_export]
macro_rules! process_config {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(#[$port_meta:meta])*
            pub $port:ident: $port_type:ty,
            $($sections:tt)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, ::serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(#[$port_meta])*
            pub $port: $port_type,
            /// The admin port.
            pub admin: $crate::config::AdminConfig,
            /// Logging.
            #[serde(default)]
            pub log: $crate::config::LogConfig,
            /// The export of traces.
            #[serde(default)]
            pub telemetry: $crate::config::TelemetryConfig,
            /// Mutual TLS between services; without it their connections are plain.
            pub tls: ::std::option::Option<$crate::tls::TlsConfig>,
            $($sections)*
        }

        impl $crate::config::ServiceConfig for $name {
            fn log(&self) -> &$crate::config::LogConfig {
                &self.log
            }

            fn telemetry(&self) -> &$crate::config::TelemetryConfig {
                &self.telemetry
            }
        }
    };
}

/// Reads the file, and overrides it by the environment.
pub fn load<C: DeserializeOwned>(file: &Path) -> Result<C, ConfigError> {
    let environment =
        config::Environment::with_prefix("FOURNINES").prefix_separator("__").separator("__").try_parsing(true);
    let sources = config::Config::builder()
        .add_source(config::File::from(file).format(config::FileFormat::Toml))
        .add_source(environment);
    Ok(sources.build()?.try_deserialize()?)
}

/// Reads a secret from a file, without surrounding white space.
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
    /// The address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
}

/// `[log]`: the filter and format of the log.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `json` or `pretty`; by default `pretty` if stdout is a terminal, else `json`.
    pub format: Option<LogFormat>,
    /// A filter of the form `info,order=debug`; `info` by default.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: None, filter: "info".to_owned() }
    }
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Readable at a terminal.
    Pretty,
}

/// `[telemetry]`: the export of traces.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// The OTLP receiver of traces, by gRPC: `http://collector:4317`. None by default: traces then only provide ids for
    /// the logs.
    pub otlp_endpoint: Option<String>,
    /// The share of traces that is exported, from 0 to 1; 0.01. Sampling is by trace id, so processes with the same
    /// share keep the same traces. Failed and slow requests are always exported.
    pub sample_ratio: f64,
    /// The duration from which a request counts as slow, in ms; 1,000.
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
    /// The address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// How long requests in flight may take after SIGTERM, in ms; 10,000 by default.
    #[serde(default = "default_drain_timeout_ms")]
    pub drain_timeout_ms: u64,
    /// The most concurrent requests of one connection; 8,192 by default. More wait at the caller, where this service
    /// can neither see nor refuse them, so it should be higher than the service's own limits.
    #[serde(default = "default_max_concurrent_streams")]
    pub max_concurrent_streams: u32,
    /// The age at which a connection is closed gracefully, in ms; 300,000 (5 minutes) by default, 1,000 at least. Its
    /// requests finish, however long they take, and callers reconnect, so that new replicas behind proxies get traffic.
    #[serde(default = "default_max_connection_age_ms")]
    pub max_connection_age_ms: u64,
}

impl ServerConfig {
    /// The defaults, for this address.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            drain_timeout_ms: default_drain_timeout_ms(),
            max_concurrent_streams: default_max_concurrent_streams(),
            max_connection_age_ms: default_max_connection_age_ms(),
        }
    }

    /// The age at which a connection is closed gracefully.
    pub fn max_connection_age(&self) -> Duration {
        Duration::from_millis(self.max_connection_age_ms.max(1_000))
    }

    /// How long requests in flight may take after SIGTERM.
    pub fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }
}

/// The default of `drain_timeout_ms`: ten seconds.
pub fn default_drain_timeout_ms() -> u64 {
    10_000
}

fn default_max_concurrent_streams() -> u32 {
    8_192
}

fn default_max_connection_age_ms() -> u64 {
    300_000
}

#[cfg(test)]
mod tests {
    use config::{Config, FileFormat};

    use super::*;

    crate::process_config! {
        /// An example.
        #[allow(unreachable_pub)] // the macro declares public structs
        pub struct Example {
            /// The port.
            pub server: ServerConfig,
            /// A section of its own.
            #[serde(default)]
            pub greeting: String,
        }
    }

    fn load(text: &str) -> Result<Example, String> {
        let file = config::File::from_str(text, FileFormat::Toml);
        let loaded = Config::builder().add_source(file).build().and_then(Config::try_deserialize);
        loaded.map_err(|error| error.to_string())
    }

    const PORTS: &str = "server.listen = '127.0.0.1:0'\nadmin.listen = '127.0.0.1:0'\n";

    #[test]
    fn common_sections_have_defaults_and_unknown_ones_are_refused() {
        let example = load(PORTS).unwrap();
        assert_eq!(example.server.listen, example.admin.listen);
        assert_eq!((example.log().filter.as_str(), example.telemetry().slow_ms), ("info", 1_000));
        assert!(example.tls.is_none() && example.greeting.is_empty());
        assert!(load(&format!("{PORTS}greetings = 'x'")).unwrap_err().contains("unknown field `greetings`"));
        assert!(load(&format!("{PORTS}log.level = 'x'")).unwrap_err().contains("unknown field `level`"));
        assert!(load("server.listen = '127.0.0.1:0'").unwrap_err().contains("missing"));
    }

    #[test]
    fn errors_name_the_setting_and_values_are_converted_to_its_type() {
        // Environment variables that look like numbers are numbers.
        assert_eq!(load(&format!("{PORTS}greeting = 5")).unwrap().greeting, "5");
        let error = load(&format!("{PORTS}telemetry.slow_ms = 'soon'")).unwrap_err();
        assert!(error.contains("telemetry.slow_ms"), "{error}");
    }
}
