//! The public REST API: authenticates callers, validates requests, calls the services over gRPC, and responds in one
//! envelope. It owns no data. Routes, authorization and OpenAPI derive from the table of [`endpoints`].

mod app;
mod auth;
mod catalogue;
pub mod config;
mod dto;
mod endpoint;
mod exchange;
mod front;
mod input;
mod json_frame;
mod limits;
mod middleware;
mod openapi;
mod placement;
mod refusal;
mod reply;
mod routes;
mod server;
mod strict;
mod upstreams;

use std::sync::Arc;

use service::Shell;
use tokio::net::TcpListener;

use app::Gateway;
pub use config::Config;
pub use endpoint::{Access, Endpoint, Verb};
pub use openapi::document as openapi;
pub use routes::endpoints;

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
