//! The reconciliation service: statements by customer and day and the merchant's day, made from events; and the checks
//! that the books of all services agree.

mod app;
mod config;
mod consumer;
pub mod domain;
mod events;
mod grpc;
mod store;
mod upstreams;

use messaging::Consumer;
use mongo::Db;
use proto::reconciliation::v1::reconciliation_service_server::ReconciliationServiceServer;
use proto::reconciliation::v1::statement_service_server::StatementServiceServer;
use service::page::PageTokens;
use service::{OnFailure, Shell};
use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;

pub use config::{Config, ReconciliationConfig, StatementsConfig, UpstreamsConfig};
pub use store::{AuditPage, Statements};

use app::{Dependencies, Reconciler, RunsApp, StatementsApp};
use consumer::StatementEffect;
use events::LineReader;
use grpc::{ReconciliationGrpc, StatementGrpc};
use store::{Exceptions, Runs};
use upstreams::Upstreams;

/// The consumer group.
const GROUP: &str = "reconciliation";

/// Runs the service until SIGTERM.
///
/// # Errors
/// When a port can't be bound, the page key can't be read, or a vital task fails.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let shell = Shell::start("reconciliation", &config.admin, config.tls.as_ref()).await?;
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
    db.end_abandoned_transactions();
    mongo::migration::watch(shell, &db, store::migrations());
    let statements = Statements::new(&db);
    let reader = LineReader::new(config.statements.currency);
    let effect = StatementEffect { statements: statements.clone(), reader };
    let lag = Consumer::new(&db, &config.kafka, &config.consumer, GROUP, effect).start(&shell.tasks)?;
    let (runs, exceptions) = (Runs::new(&db), Exceptions::new(&db));
    let reconciler = Reconciler::new(Dependencies {
        db,
        upstreams: Upstreams::new(&config.upstreams, shell),
        statements: statements.clone(),
        runs: runs.clone(),
        exceptions: exceptions.clone(),
        group: GROUP,
        lag,
        config: config.reconciliation.clone(),
    });
    shell.tasks.spawn("reconciliation", OnFailure::Stop, reconciler.run(shell.tasks.clone()));
    let tokens = PageTokens::from_config(&config.page_tokens)?;
    let app = StatementsApp::new(statements, tokens.clone());
    let mut routes = RoutesBuilder::default();
    routes.add_service(StatementServiceServer::new(StatementGrpc { app, currency: config.statements.currency }));
    let runs = ReconciliationGrpc::new(RunsApp::new(runs, exceptions, tokens));
    routes.add_service(ReconciliationServiceServer::new(runs));
    service::grpc::serve(shell, &config.server, listener, proto::DESCRIPTORS, routes).await
}

/// Brings the database schema up to date.
///
/// # Errors
/// When the database does not allow it within 300 s.
pub async fn migrate(config: Config) -> anyhow::Result<()> {
    Ok(mongo::migration::run(&config.mongo, store::migrations()).await?)
}
