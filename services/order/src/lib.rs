//! The order service: places orders together with their stock, has them paid, and returns the stock of orders that are
//! cancelled or expire.

mod app;
mod config;
mod domain;
mod error;
mod events;
mod grpc;
mod lanes;
mod store;
mod upstreams;

use std::time::Duration;

use balancer::Upstream;
use messaging::{Outbox, OutboxGrpc};
use mongo::Lease;
use proto::messaging::v1::outbox_service_server::OutboxServiceServer;
use proto::order::v1::order_audit_service_server::OrderAuditServiceServer;
use proto::order::v1::order_service_server::OrderServiceServer;
use service::page::PageTokens;
use service::{OnFailure, Shell};
use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;

pub use config::{Config, LanesConfig, OrdersConfig, UpstreamsConfig};

use crate::app::App;
use crate::grpc::{AuditGrpc, OrderGrpc};
use crate::lanes::CommitLanes;
use crate::store::Store;
use crate::upstreams::{Catalogue, Payments, RiskService};

/// The lease of the replica that expires orders: another takes over when it was not renewed for this long.
const EXPIRY_LEASE: Duration = Duration::from_secs(3);
/// The lease of the replica that polls for verdicts of the risk service.
const REVIEW_LEASE: Duration = Duration::from_secs(10);

/// Serves until SIGTERM.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let shell = Shell::start("order", &config.admin, config.tls.as_ref()).await?;
    let listener = shell.bind("grpc", config.server.listen).await?;
    serve(&shell, &config, listener).await?;
    shell.finish().await
}

/// Serves on a bound port until the shell drains.
pub async fn serve(shell: &Shell, config: &Config, listener: TcpListener) -> anyhow::Result<()> {
    let db = mongo::Db::connect(&config.mongo, &shell.tasks).await?;
    db.end_abandoned_transactions();
    mongo::migration::watch(shell, &db, store::migrations());
    let inventory = Upstream::start("inventory", &config.upstreams.inventory, shell);
    let catalogue = Catalogue::new(inventory, config.orders.price_cache());
    let payments = Payments::start(&config.upstreams.payment, shell);
    let risk = RiskService::new(Upstream::start("risk", &config.upstreams.risk, shell));
    let tokens = PageTokens::from_config(&config.page_tokens)?;
    let outbox = Outbox::new(&db, "order", &config.outbox);
    outbox.relay(&config.kafka, &shell.tasks);
    let store = Store::new(&db, outbox.clone());
    let audit = AuditGrpc::new(store.clone(), shell.drain_signal());
    let lanes = CommitLanes::new(store.clone(), shell.tasks.clone(), &config.lanes);
    let app = App {
        store,
        lanes: lanes.clone(),
        catalogue: catalogue.clone(),
        payments,
        risk: risk.clone(),
        config: config.orders.clone(),
        tokens,
        tasks: shell.tasks.clone(),
    };
    let expiry = Lease::new(&db, "order-expiry", EXPIRY_LEASE);
    shell.tasks.spawn("expiry", OnFailure::Stop, app.clone().expire_orders(expiry));
    shell.tasks.spawn("prices", OnFailure::Stop, catalogue.follow(shell.tasks.stop_signal()));
    shell.tasks.spawn("shortages", OnFailure::Stop, lanes.watch_shortages());
    shell.tasks.spawn("follow-up", OnFailure::Stop, app.clone().follow_up());
    shell.tasks.spawn("risk-rules", OnFailure::Stop, risk.follow_rules(shell.tasks.stop_signal()));
    let review = Lease::new(&db, "order-reviews", REVIEW_LEASE);
    shell.tasks.spawn("reviews", OnFailure::Stop, app.clone().review_orders(review));
    let mut routes = RoutesBuilder::default();
    routes.add_service(OrderServiceServer::new(OrderGrpc::new(app)));
    routes.add_service(OrderAuditServiceServer::new(audit));
    routes.add_service(OutboxServiceServer::new(OutboxGrpc::new(outbox, shell.drain_signal())));
    service::grpc::serve(shell, &config.server, listener, proto::DESCRIPTORS, routes).await
}

/// Brings the schema up to date.
pub async fn migrate(config: Config) -> anyhow::Result<()> {
    Ok(mongo::migration::run(&config.mongo, store::migrations()).await?)
}
