//! The inventory service: the catalogue and the stock ledger.

mod app;
mod config;
mod domain;
mod error;
mod grpc;
mod store;

use messaging::{Outbox, OutboxGrpc};
use proto::inventory::v1::catalogue_service_server::CatalogueServiceServer;
use proto::inventory::v1::stock_audit_service_server::StockAuditServiceServer;
use proto::inventory::v1::stock_service_server::StockServiceServer;
use proto::messaging::v1::outbox_service_server::OutboxServiceServer;
use service::Shell;
use service::page::PageTokens;
use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;

pub use config::Config;

use crate::app::App;
use crate::grpc::{AuditGrpc, InventoryGrpc};
use crate::store::Store;

/// Serves until SIGTERM.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let shell = Shell::start("inventory", &config.admin, config.tls.as_ref()).await?;
    let listener = shell.bind("grpc", config.server.listen).await?;
    serve(&shell, &config, listener).await?;
    shell.finish().await
}

/// Serves on a bound port until the shell drains.
pub async fn serve(shell: &Shell, config: &Config, listener: TcpListener) -> anyhow::Result<()> {
    let db = mongo::Db::connect(&config.mongo, &shell.tasks).await?;
    db.end_abandoned_transactions();
    mongo::migration::watch(shell, &db, store::migrations());
    let outbox = Outbox::new(&db, "inventory", &config.outbox);
    outbox.relay(&config.kafka, &shell.tasks);
    let store = Store::new(&db, outbox.clone());
    let audit = AuditGrpc::new(store.ledger.clone(), shell.drain_signal());
    let app = App::new(store, config.catalogue.currency, PageTokens::from_config(&config.page_tokens)?);
    let grpc = InventoryGrpc::new(app, shell.drain_signal());
    let mut routes = RoutesBuilder::default();
    routes.add_service(CatalogueServiceServer::new(grpc.clone())).add_service(StockServiceServer::new(grpc));
    routes.add_service(StockAuditServiceServer::new(audit));
    routes.add_service(OutboxServiceServer::new(OutboxGrpc::new(outbox, shell.drain_signal())));
    service::grpc::serve(shell, &config.server, listener, proto::DESCRIPTORS, routes).await
}

/// Brings the schema up to date.
pub async fn migrate(config: Config) -> anyhow::Result<()> {
    Ok(mongo::migration::run(&config.mongo, store::migrations()).await?)
}
