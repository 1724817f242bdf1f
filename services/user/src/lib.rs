//! The user service: registration, sessions, and the keys that verify access tokens.

mod app;
mod audit;
mod config;
mod domain;
mod error;
mod grpc;
mod passwords;
mod store;
mod throttle;
mod tokens;

use std::sync::Arc;

use proto::user::v1::session_service_server::SessionServiceServer;
use proto::user::v1::user_service_server::UserServiceServer;
use service::Shell;
use service::page::PageTokens;
use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;

pub use config::{AuditConfig, BootstrapConfig, Config, PasswordsConfig, ThrottleConfig, TokensConfig};

use crate::app::{App, Bootstrap};
use crate::audit::Audit;
use crate::grpc::UserGrpc;
use crate::passwords::Passwords;
use crate::store::{LoginAudit, LoginCounters, Schema, Sessions, Users};
use crate::throttle::LoginThrottle;
use crate::tokens::AccessTokens;

/// Serves until SIGTERM.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let shell = Shell::start("user", &config.admin, config.tls.as_ref()).await?;
    let listener = shell.bind("grpc", config.server.listen).await?;
    serve(&shell, &config, listener).await?;
    shell.finish().await
}

/// Serves on a bound port until the shell drains.
pub async fn serve(shell: &Shell, config: &Config, listener: TcpListener) -> anyhow::Result<()> {
    let bootstrap = config.bootstrap.as_ref().map(Bootstrap::from_config).transpose()?;
    let db = mongo::Db::connect(&config.mongo, &shell.tasks).await?;
    db.end_abandoned_transactions();
    mongo::migration::watch(shell, &db, store::MIGRATIONS);
    let app = Arc::new(App {
        users: Users::new(&db),
        sessions: Sessions::new(&db),
        throttle: LoginThrottle::new(&config.throttle, LoginCounters::new(&db)),
        audit: Audit::start(&config.audit, LoginAudit::new(&db, config.audit.retention()), &shell.tasks),
        passwords: Passwords::new(&config.passwords)?,
        access_tokens: AccessTokens::from_config(&config.tokens)?,
        refresh_lifetime: config.tokens.refresh_lifetime(),
        page_tokens: PageTokens::from_config(&config.page_tokens)?,
    });
    if let Some(bootstrap) = bootstrap {
        bootstrap.start(shell, Arc::clone(&app), Schema::new(&db));
    }
    let grpc = UserGrpc::new(app);
    let mut routes = RoutesBuilder::default();
    routes.add_service(UserServiceServer::new(grpc.clone())).add_service(SessionServiceServer::new(grpc));
    service::grpc::serve(shell, &config.server, listener, proto::DESCRIPTORS, routes).await
}

/// Brings the schema up to date.
pub async fn migrate(config: Config) -> anyhow::Result<()> {
    Ok(mongo::migration::run(&config.mongo, store::MIGRATIONS).await?)
}
