//! The risk service: judges orders by versioned rules, serves those rules to the order service, and reviews orders that
//! were accepted without it.

mod app;
mod config;
mod consumer;
mod domain;
mod error;
mod grpc;
mod store;

use messaging::{Consumer, Topic};
use mongo::Db;
use proto::risk::v1::risk_service_server::RiskServiceServer;
use service::{OnFailure, Shell};
use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;

pub use config::{Config, VelocityConfig};
pub use domain::{InvalidRules, Rule, Rules, When};

use crate::app::{App, Refusals};
use crate::consumer::Reviews;
use crate::grpc::RiskGrpc;
use crate::store::Store;

/// The consumer group.
const GROUP: &str = "risk";

/// Serves until SIGTERM.
///
/// # Errors
/// If a port can't be bound, or a vital task fails.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let shell = Shell::start("risk", &config.admin, config.tls.as_ref()).await?;
    let listener = shell.bind("grpc", config.server.listen).await?;
    serve(&shell, &config, listener).await?;
    shell.finish().await
}

/// Serves on a bound port until the shell drains.
///
/// # Errors
/// If the configuration of the broker's client is invalid, or the server fails.
pub async fn serve(shell: &Shell, config: &Config, listener: TcpListener) -> anyhow::Result<()> {
    let db = Db::connect(&config.mongo, &shell.tasks).await?;
    mongo::migration::watch(shell, &db, store::migrations());
    let store = Store::new(&db);
    let refusals = Refusals::start(store.clone(), &shell.tasks);
    let app = App::new(store.clone(), config.rules.clone(), &config.velocity, refusals);
    shell.tasks.spawn("exchange", OnFailure::Stop, app.clone().exchange(shell.tasks.clone()));
    let reviews = Reviews { app: app.clone(), store };
    let consumer = Consumer::new(&db, &config.kafka, &config.consumer, GROUP, reviews);
    consumer.of_topics(&[Topic::Orders]).start(&shell.tasks)?;
    let mut routes = RoutesBuilder::default();
    routes.add_service(RiskServiceServer::new(RiskGrpc::new(app)));
    service::grpc::serve(shell, &config.server, listener, proto::DESCRIPTORS, routes).await
}

/// Brings the schema up to date.
///
/// # Errors
/// If the migrations fail or take longer than 300 s.
pub async fn migrate(config: Config) -> anyhow::Result<()> {
    Ok(mongo::migration::run(&config.mongo, store::migrations()).await?)
}
