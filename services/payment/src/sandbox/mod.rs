//! A card provider that charges nobody, for local stacks and tests only.
//!
//! It implements the API that this service expects of a card provider, keeps its charges in memory, and misbehaves on
//! request: a card token selects the behaviour for one charge, `PUT /v1/sandbox/behaviour` that for all. It counts the
//! captures of each reference, so that a test can detect a double charge.
//!
//! | call | answer |
//! | --- | --- |
//! | `POST /v1/charges` with `Idempotency-Key`, `{amount, currency, token, reference}` | `{id, status, duplicate}` |
//! | `GET /v1/charges/{reference}` | the same; 404 for an unknown reference |
//! | `POST /v1/charges/{reference}/void` | the same; a charge that arrives later is refused |
//! | `POST /v1/charges/{reference}/refund` | the same |
//! | `GET /v1/sandbox/charges/{reference}` | `{reference, status, captures, refunds, requests}` |
//! | `PUT /v1/sandbox/behaviour` | takes `{mode, delayMs}` |
//!
//! Every call needs `Authorization: Bearer` with the API key. `status` is `captured`, `declined`, `voided` or
//! `refunded`; a declined card is an answer, not an error.

mod api;
mod behaviour;
mod ledger;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use service::config::{self, AdminConfig, LogConfig, TelemetryConfig};
use service::{ServiceConfig, Shell};
use tokio::net::TcpListener;

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The HTTP server.
    pub server: ServerConfig,
    /// The admin port.
    pub admin: AdminConfig,
    /// Logging.
    #[serde(default)]
    pub log: LogConfig,
    /// Where traces go.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// The API key of callers.
    pub card: CardConfig,
}

impl ServiceConfig for Config {
    fn log(&self) -> &LogConfig {
        &self.log
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}

/// `[server]`: the HTTP server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// The address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// How long requests in flight may take after SIGTERM, in ms; 10,000 by default.
    #[serde(default = "config::default_drain_timeout_ms")]
    pub drain_timeout_ms: u64,
}

/// `[card]`: the API key of callers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardConfig {
    /// A file with the API key.
    pub api_key_file: PathBuf,
}

/// Runs the sandbox until SIGTERM.
///
/// # Errors
/// When a port can't be bound or the API key can't be read.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let shell = Shell::start("card-sandbox", &config.admin, None).await?;
    let listener = shell.bind("http", config.server.listen).await?;
    serve(&shell, &config, listener).await?;
    shell.finish().await
}

/// Serves on a bound port until the shell drains.
///
/// # Errors
/// When the API key can't be read or the server fails.
pub async fn serve(shell: &Shell, config: &Config, listener: TcpListener) -> anyhow::Result<()> {
    let key = config::read_secret(&config.card.api_key_file)?;
    tracing::warn!("this is a sandbox: it charges nobody and keeps nothing when it stops");
    shell.readiness.serve();
    let drain = shell.drain_signal();
    let serving = axum::serve(listener, api::router(&key)).with_graceful_shutdown(drain.clone().cancelled_owned());
    let overdue = async {
        drain.cancelled().await;
        tokio::time::sleep(Duration::from_millis(config.server.drain_timeout_ms)).await;
    };
    tokio::select! {
        served = async { serving.await } => served.context("the HTTP server failed"),
        () = overdue => Ok(()),
    }
}
