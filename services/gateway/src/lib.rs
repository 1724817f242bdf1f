//! The public REST API: authenticates callers, validates requests, calls the services over gRPC, and responds in one
//! envelope. It owns no data. Routes, authorization and OpenAPI derive from the table of [`endpoints`].

// Inbound, from the socket to the handlers.
mod app;
mod dto;
mod front;
mod input;
mod middleware;
mod openapi;
mod routes;
mod server;

// Outbound, and what the gateway keeps in memory.
mod auth;
mod catalogue;
mod limits;
mod placement;
mod state;
mod upstreams;

// The vocabulary that both use.
mod bounds;
pub mod config;
mod endpoint;
mod entity_tag;
mod exchange;
mod json_frame;
mod refusal;
mod reply;
mod schema;
mod security_headers;
mod strict;

use std::sync::Arc;

use service::Shell;
use tokio::net::TcpListener;

pub use config::Config;
pub use endpoint::{Access, Endpoint, Verb};
pub use routes::endpoints;
use state::Gateway;

/// Runs the gateway until SIGTERM.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let shell = Shell::start("gateway", &config.admin, config.tls.as_ref()).await?;
    let listener = server::bind(&config.http)?;
    serve(&shell, &config, listener).await?;
    shell.finish().await
}

/// Serves on a bound port until the shell drains.
pub async fn serve(shell: &Shell, config: &Config, listener: TcpListener) -> anyhow::Result<()> {
    let gateway = Arc::new(Gateway::start(shell, config));
    front::count_from_zero();
    gateway.keys.keep_fresh(shell);
    server::serve(shell, &config.http, listener, gateway).await
}
