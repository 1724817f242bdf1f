//! What benchmarks run on: a replica set of their own, and on it one shop after the other. Each shop is a whole
//! platform on a fresh database, so that the check of its books stays cheap.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use devstack::scratch::Scratch;
use devstack::{Backing, BackingOptions, Platform, PlatformOptions, Progress, files};
use mongodb::bson::doc;
use mongodb::{Client, Database};

use super::drive::Tally;
use super::metrics::Metrics;
use super::stock;
use super::usage::Meter;
use super::workload::Goods;
use verify::{Report, verify};

/// WiredTiger's cache of each member, in GiB: enough for what the largest cell writes.
const CACHE_GIB: f64 = 1.0;

/// How long abandoned transactions may stay open, and how often they are counted.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
const SETTLED_PERIOD: Duration = Duration::from_millis(100);

/// A replica set in a temporary folder.
#[derive(Debug)]
pub(crate) struct Testbed {
    client: Client,
    backing: Backing,
    /// The number of shops that were opened.
    shops: usize,
    // The last field, so that it is removed when nothing writes to it any more.
    scratch: Scratch,
}

/// How a shop is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    /// Order replicas, at least one.
    pub(crate) replicas: usize,
    /// Whether the gateway sends orders of one SKU to the same replica; `None` for its default.
    pub(crate) affinity: Option<bool>,
}

/// A platform with products in stock.
#[derive(Debug)]
pub(crate) struct Shop {
    platform: Platform,
    database: Database,
    uri: String,
    dir: PathBuf,
    replicas: usize,
    meter: Meter,
    /// Orders that were answered as placed.
    placed: u64,
    /// Orders whose outcome the buyer does not know.
    uncertain: u64,
}

impl Testbed {
    /// Starts the replica set.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn start(progress: &Progress) -> anyhow::Result<Self> {
        let scratch = Scratch::create()?;
        let options = BackingOptions { cache_gib: CACHE_GIB, ..BackingOptions::local(scratch.path()) };
        let backing = Backing::start(options, progress).await?;
        let client = Client::with_uri_str(backing.mongo_uri()).await?;
        Ok(Self { client, backing, shops: 0, scratch })
    }

    /// Starts a platform on a fresh database and stocks its products.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn open(&mut self, goods: &Goods, setup: Setup) -> anyhow::Result<Shop> {
        self.open_with(goods, |options| {
            options.order_replicas = setup.replicas;
            options.overrides = overrides(setup);
        })
        .await
    }

    /// The same with the caller's options.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn open_with(
        &mut self,
        goods: &Goods,
        change: impl FnOnce(&mut PlatformOptions),
    ) -> anyhow::Result<Shop> {
        self.shops += 1;
        let name = format!("bench_{}", self.shops);
        let dir = self.scratch.path().join(&name);
        let mut options = PlatformOptions::new(&name, &dir);
        change(&mut options);
        let replicas = options.order_replicas;
        let connection = self.backing.connection();
        let platform = Platform::start(&connection, options, &Progress::silent()).await?;
        let database = self.client.database(&name);
        stock::fill(&database, goods).await.context("the products can't be stocked")?;
        let mongods = self.backing.mongods().iter().map(|node| node.process());
        let processes = mongods.chain(platform.processes().map(|(process, ..)| process));
        let meter = Meter::new(processes.map(|process| (process.name().to_owned(), process.identity().pid)));
        let uri = connection.mongo_uri;
        Ok(Shop { platform, database, uri, dir, replicas, meter, placed: 0, uncertain: 0 })
    }

    /// The replica set and the broker.
    pub(crate) fn backing(&self) -> &Backing {
        &self.backing
    }

    /// Stops the replica set; its data goes with it.
    ///
    /// # Errors
    /// When it does not stop.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.client.shutdown().immediate(true).await;
        Ok(self.backing.stop().await?)
    }
}

/// Settings of every shop: no order expires during a benchmark, and logging in, which is not measured, is cheap.
pub(crate) fn overrides(setup: Setup) -> BTreeMap<String, toml::Table> {
    let order = toml::toml! { orders = { payment_window_ms = 3_600_000 } };
    let user = toml::toml! { passwords = { memory_kib = 64, iterations = 1 } };
    let mut overrides = BTreeMap::from([("order".to_owned(), order), ("user".to_owned(), user)]);
    if let Some(affinity) = setup.affinity {
        let placement = toml::Table::from_iter([("affinity".to_owned(), toml::Value::from(affinity))]);
        let gateway = toml::Table::from_iter([("placement".to_owned(), toml::Value::from(placement))]);
        overrides.insert("gateway".to_owned(), gateway);
    }
    overrides
}

/// The checks that found differences, with the first difference of each.
fn wrong(report: &Report) -> String {
    let checks = report.failed().map(|checked| {
        let first = checked.differences.first.first().map_or_else(String::new, |first| {
            format!(", first {}: {} expected, {} found", first.subject, first.expected, first.found)
        });
        format!("\n  {}: {}{first}", checked.text, checked.differences.count)
    });
    checks.collect()
}

impl Shop {
    /// The connection string of the replica set, and the name of the shop's database.
    pub(crate) fn database(&self) -> (&str, &str) {
        (&self.uri, self.database.name())
    }

    /// Its processes.
    pub(crate) fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Its database.
    pub(crate) fn mongo(&self) -> &Database {
        &self.database
    }

    /// The REST API, such as `http://127.0.0.1:20001`.
    pub(crate) fn gateway(&self) -> String {
        self.platform.gateway_url()
    }

    /// The gRPC addresses of the order replicas.
    ///
    /// # Errors
    /// When one is missing.
    pub(crate) fn order_replicas(&self) -> anyhow::Result<Vec<String>> {
        self.order_names().map(|name| Ok(self.platform.grpc_url(&name)?)).collect()
    }

    /// The gRPC address of inventory.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) fn inventory(&self) -> anyhow::Result<String> {
        Ok(self.platform.grpc_url("inventory")?)
    }

    /// The counters of the order replicas.
    ///
    /// # Errors
    /// When one is missing.
    pub(crate) fn metrics(&self) -> anyhow::Result<Metrics> {
        let addresses = self.order_names().map(|name| Ok(self.platform.admin_url(&name)?));
        Metrics::new(addresses.collect::<anyhow::Result<_>>()?)
    }

    /// The pid of the first order replica.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) fn order_pid(&self) -> anyhow::Result<u32> {
        Ok(self.platform.process("order")?.identity().pid)
    }

    /// The CPU time of the replica set, the platform and this process.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Checks the books after a load: they are right, hold every order that was answered as placed, and no order that
    /// was not sent.
    ///
    /// # Errors
    /// When they are wrong or can't be checked; the measurement is then void.
    pub(crate) async fn check_books(&mut self, tally: &Tally) -> anyhow::Result<()> {
        self.placed += tally.placed;
        self.uncertain += tally.timed_out + tally.unavailable;
        let found = self.count_right_orders().await?;
        let (placed, uncertain) = (self.placed, self.uncertain);
        ensure!(
            (placed..=placed + uncertain).contains(&found),
            "{found} orders are in the books, but {placed} were answered as placed and {uncertain} may have been"
        );
        Ok(())
    }

    /// Checks the books and gives the number of orders in them.
    ///
    /// # Errors
    /// When they are wrong or can't be checked; the measurement is then void.
    pub(crate) async fn count_right_orders(&self) -> anyhow::Result<u64> {
        self.until_no_transaction_is_open().await?;
        let report = verify(&self.database).await.context("the books could not be checked")?;
        ensure!(report.is_clean(), "the books are wrong, so the measurement is void:{}", wrong(&report));
        Ok(report.counted.orders.values().sum())
    }

    /// An order that its buyer has given up may leave its transaction open, and its counter locked, until the server
    /// aborts it. The next load must not be slowed by that.
    async fn until_no_transaction_is_open(&self) -> anyhow::Result<()> {
        let ended = tokio::time::timeout(SETTLED_WITHIN, async {
            let status = doc! { "serverStatus": 1, "repl": 0, "metrics": 0, "locks": 0, "wiredTiger": 0 };
            loop {
                let status = self.database.run_command(status.clone()).await?;
                let transactions = status.get_document("transactions")?;
                if transactions.get_i64("currentOpen")? == 0 {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(SETTLED_PERIOD).await;
            }
        });
        ended.await.context("some transactions stay open")?
    }

    /// Stops the platform and removes its data.
    ///
    /// # Errors
    /// When it does not stop.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.platform.stop().await?;
        self.database.drop().await?;
        Ok(files::remove(&self.dir)?)
    }

    fn order_names(&self) -> impl Iterator<Item = String> {
        (1..=self.replicas).map(|number| format!("order-{number}"))
    }
}
