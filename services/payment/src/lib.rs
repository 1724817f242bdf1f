//! The payment service: customers' accounts with a ledger of entries, and the payments of orders, from an account or
//! by card through a provider.

mod app;
mod config;
mod domain;
mod grpc;
mod provider;
pub mod sandbox;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::ensure;
use mongo::Db;
use proto::payment::v1::account_service_server::AccountServiceServer;
use proto::payment::v1::payment_service_server::PaymentServiceServer;
use service::{Deadline, OnFailure, Shell};
use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;

pub use config::{AccountsConfig, CardConfig, Config, ResolverConfig};

use app::{Accounts, Payments, Resolver};
use grpc::Grpc;
use provider::HttpCardProvider;
use store::Store;

/// How often the database is checked for readiness.
const CHECK_PERIOD: Duration = Duration::from_secs(2);
/// How long migrations may take, other processes' migrations included.
const MIGRATE_WITHIN: Duration = Duration::from_secs(120);

/// Runs the service until SIGTERM.
///
/// # Errors
/// When the configuration does not fit together, a port can't be bound, or a vital task fails.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let shell = Shell::start("payment", &config.admin).await?;
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
    watch(shell, &db);
    let store = Store::new(&db);
    let currency = config.accounts.currency;
    let payments = Payments::new(
        store.clone(),
        Arc::new(HttpCardProvider::new(&config.card)?),
        shell.tasks.clone(),
        currency,
        config.resolver.first_look(),
    );
    let resolver = Resolver::new(payments.clone(), config.resolver.period(), config.resolver.grace());
    shell.tasks.spawn("payment-resolver", OnFailure::Stop, resolver.run(shell.tasks.clone()));
    let grpc = Grpc { payments, accounts: Accounts::new(store, currency) };
    let mut routes = RoutesBuilder::default();
    routes.add_service(PaymentServiceServer::new(grpc.clone())).add_service(AccountServiceServer::new(grpc));
    service::grpc::serve(shell, &config.server, listener, proto::DESCRIPTORS, routes).await
}

/// Brings the database schema up to date.
///
/// # Errors
/// When the database does not allow it within 120 s.
pub async fn migrate(config: Config) -> anyhow::Result<()> {
    let shell = Shell::without_admin();
    let db = Db::connect(&config.mongo, &shell.tasks).await?;
    mongo::migration::migrate(&db, &store::migrations(), Deadline::after(MIGRATE_WITHIN)).await?;
    shell.finish().await
}

/// Ready means that the database answers and its schema is up to date. A schema never goes back, so it is not asked
/// about again.
fn watch(shell: &Shell, db: &Db) {
    let database = db.clone();
    shell.readiness.watch(&shell.tasks, "mongo", CHECK_PERIOD, move || {
        let database = database.clone();
        async move { database.ping().await }
    });
    let database = db.clone();
    let current = Arc::new(AtomicBool::new(false));
    shell.readiness.watch(&shell.tasks, "schema", CHECK_PERIOD, move || {
        let (database, current) = (database.clone(), Arc::clone(&current));
        async move {
            if !current.load(Ordering::Relaxed) {
                let migrations = store::migrations();
                let pending =
                    mongo::migration::pending(&database, &migrations, Deadline::after(CHECK_PERIOD)).await?;
                ensure!(pending.is_empty(), "migrations have not been applied");
                current.store(true, Ordering::Relaxed);
            }
            Ok(())
        }
    });
}
