//! The reconciliation service: statements of what happened, by customer and day, and the merchant's day, made from events;
//! and the checks that the books of the platform are equal.

mod app;
mod config;
pub mod domain;
pub mod events;
mod grpc;
mod store;

use mongo::Db;
use proto::reconciliation::v1::statement_service_server::StatementServiceServer;
use service::Shell;
use service::page::PageTokens;
use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;

pub use config::{Config, StatementsConfig};
pub use store::{AuditPage, Statements};

use app::App;
use grpc::Grpc;

/// Runs the service until SIGTERM.
///
/// # Errors
/// When a port can't be bound, the page key can't be read, or a vital task fails.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let shell = Shell::start("reconciliation", &config.admin).await?;
    let listener = shell.bind("grpc", config.server.listen).await?;
    serve(&shell, &config, listener).await?;
    shell.finish().await
}

/// Serves on a bound port until the shell drains.
///
/// # Errors
/// When the page key can't be read, or the server fails.
pub async fn serve(shell: &Shell, config: &Config, listener: TcpListener) -> anyhow::Result<()> {
    let db = Db::connect(&config.mongo, &shell.tasks).await?;
    mongo::migration::watch(shell, &db, store::MIGRATIONS);
    let app = App::new(Statements::new(&db), PageTokens::from_config(&config.page_tokens)?);
    let grpc = Grpc { app, currency: config.statements.currency };
    let mut routes = RoutesBuilder::default();
    routes.add_service(StatementServiceServer::new(grpc));
    service::grpc::serve(shell, &config.server, listener, proto::DESCRIPTORS, routes).await
}

/// Brings the database schema up to date.
///
/// # Errors
/// When the database does not allow it within 300 s.
pub async fn migrate(config: Config) -> anyhow::Result<()> {
    Ok(mongo::migration::run(&config.mongo, store::MIGRATIONS).await?)
}
