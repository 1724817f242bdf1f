//! What a drill runs on: a replica set, a platform with products in stock, and customers with money.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use cli::terminal;
use devstack::platform::ADMIN_EMAIL;
use devstack::{Backing, Platform, PlatformOptions, Progress};
use tokio::time::Instant;

use super::chart;
use super::report::{Mark, Report};
use super::traffic::{Admin, Manners, Shoppers};
use crate::harness::metrics::Metrics;
use crate::harness::results;
use crate::harness::shop::{Setup, Shop, Testbed, overrides};
use crate::harness::workload::{Goods, Workload};

/// The number of customers, whom the clients share.
const CUSTOMERS: usize = 256;

/// A platform to break, with its shoppers.
pub(super) struct Stage {
    testbed: Testbed,
    shop: Shop,
    pub(super) shoppers: Arc<Shoppers>,
}

impl Stage {
    /// Starts the platform with the drill's options.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) async fn open(
        manners: Manners,
        progress: &Progress,
        change: impl FnOnce(&mut PlatformOptions),
    ) -> anyhow::Result<Self> {
        let mut testbed = Testbed::start(progress).await?;
        let goods = Goods::of(Workload::TenThousandSkus).await?;
        let opening = testbed.open_with(&goods, |options| {
            options.overrides = overrides(Setup { replicas: 1, affinity: None });
            change(options);
        });
        let shop = progress.step("a platform", opening).await?;
        let platform = shop.platform();
        let password = platform.secrets().read_admin_password()?;
        let admin = Admin { email: ADMIN_EMAIL, password: &password };
        let gateways = platform.gateway_urls();
        let connecting = Shoppers::connect(gateways, admin, CUSTOMERS, &goods, manners);
        let shoppers = Arc::new(progress.step("customers", connecting).await?);
        Ok(Self { testbed, shop, shoppers })
    }

    pub(super) fn backing(&self) -> &Backing {
        self.testbed.backing()
    }

    pub(super) fn platform(&self) -> &Platform {
        self.shop.platform()
    }

    /// The counters of the order replicas.
    ///
    /// # Errors
    /// When one is missing.
    pub(super) fn order_metrics(&self) -> anyhow::Result<Metrics> {
        self.shop.metrics()
    }

    /// Checks the books, writes the report and its chart, prints the report without its seconds, and stops everything.
    ///
    /// # Errors
    /// When the books are wrong, or hold fewer orders than were answered as placed.
    pub(super) async fn close(self, mut report: Report, placed: u64, out: &Path) -> anyhow::Result<()> {
        let found = self.shop.count_right_orders().await?;
        ensure!(found >= placed, "{found} orders are in the books, but {placed} were answered as placed");
        self.shop.close().await?;
        self.testbed.stop().await?;
        let name = report.drill;
        results::write(&out.join(format!("{name}.svg")), chart::draw(&report).as_bytes())?;
        results::write(&out.join(format!("{name}.json")), &serde_json::to_vec_pretty(&report)?)?;
        report.seconds.clear();
        Ok(terminal::line(serde_json::to_string_pretty(&report)?)?)
    }
}

/// What was done to the platform, and when.
pub(super) struct Marks {
    start: Instant,
    list: Vec<Mark>,
}

impl Marks {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), list: Vec::new() }
    }

    pub(super) fn add(&mut self, what: impl Into<String>) {
        let at_seconds = self.start.elapsed().as_secs_f64();
        self.list.push(Mark { at_seconds: (at_seconds * 10.0).round() / 10.0, what: what.into() });
    }

    /// The time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn into_list(self) -> Vec<Mark> {
        self.list
    }
}

/// Adds settings of a service to its overrides.
pub(super) fn set(overrides: &mut BTreeMap<String, toml::Table>, service: &str, settings: toml::Table) {
    let table = overrides.entry(service.to_owned()).or_default();
    for (section, value) in settings {
        match (table.get_mut(&section), value) {
            (Some(toml::Value::Table(existing)), toml::Value::Table(new)) => existing.extend(new),
            (_, value) => {
                table.insert(section, value);
            }
        }
    }
}
