//! The payment service: customers' accounts with a ledger of entries, and the payments of orders, from an account or
//! by card through a provider.

mod app;
mod config;
mod domain;
mod error;
mod events;
mod grpc;
pub mod sandbox;
mod store;
mod upstreams;

use std::sync::Arc;

use messaging::{Outbox, OutboxGrpc};
use mongo::Db;
use proto::messaging::v1::outbox_service_server::OutboxServiceServer;
use proto::payment::v1::account_service_server::AccountServiceServer;
use proto::payment::v1::payment_audit_service_server::PaymentAuditServiceServer;
use proto::payment::v1::payment_service_server::PaymentServiceServer;
use service::{OnFailure, Shell};
use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;

pub use config::{AccountsConfig, CardConfig, Config, ResolverConfig};

use app::{Accounts, Payments, Resolver};
use grpc::{AuditGrpc, Grpc};
use store::Store;
use upstreams::CardProvider;

/// Runs the service until SIGTERM.
///
/// # Errors
/// When the configuration does not fit together, a port can't be bound, or a vital task fails.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let shell = Shell::start("payment", &config.admin, config.tls.as_ref()).await?;
    let listener = shell.bind("grpc", config.server.listen).await?;
    serve(&shell, &config, listener).await?;
    shell.finish().await
}

/// Serves on a bound port until the shell drains.
///
/// # Errors
/// When the configuration does not fit together, or the server fails.
pub async fn serve(shell: &Shell, config: &Config, listener: TcpListener) -> anyhow::Result<()> {
    config.check()?;
    let db = Db::connect(&config.mongo, &shell.tasks).await?;
    db.end_abandoned_transactions();
    mongo::migration::watch(shell, &db, store::migrations());
    let outbox = Outbox::new(&db, "payment", &config.outbox);
    outbox.relay(&config.kafka, &shell.tasks);
    let store = Store::new(&db, outbox.clone());
    let currency = config.accounts.currency;
    let payments = Payments {
        store: store.clone(),
        provider: Arc::new(CardProvider::new(&config.card)?),
        tasks: shell.tasks.clone(),
        currency,
        first_look: config.resolver.first_look(),
    };
    let resolver = Resolver::new(payments.clone(), config.resolver.period(), config.resolver.grace());
    shell.tasks.spawn("payment-resolver", OnFailure::Stop, resolver.run(shell.tasks.clone()));
    let audit = AuditGrpc { store: store.clone(), drain: shell.drain_signal() };
    let grpc = Grpc { payments, accounts: Accounts { store, currency } };
    let mut routes = RoutesBuilder::default();
    routes.add_service(PaymentServiceServer::new(grpc.clone())).add_service(AccountServiceServer::new(grpc));
    routes.add_service(PaymentAuditServiceServer::new(audit));
    routes.add_service(OutboxServiceServer::new(OutboxGrpc::new(outbox, shell.drain_signal())));
    service::grpc::serve(shell, &config.server, listener, proto::DESCRIPTORS, routes).await
}

/// Brings the database schema up to date.
///
/// # Errors
/// When the database does not allow it within 300 s.
pub async fn migrate(config: Config) -> anyhow::Result<()> {
    Ok(mongo::migration::run(&config.mongo, store::migrations()).await?)
}
