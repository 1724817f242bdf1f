//! `bench gateway`: the cost of the gateway: the latency that it adds to a call, its CPU, and cached reads beside a
//! handler that does nothing.

mod added;
mod bare;
mod cached;
mod connection;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use cli::terminal;
use devstack::Progress;
use serde::Serialize;

use crate::harness::results;
use crate::harness::shop::{Setup, Testbed};
use crate::harness::workload::{Goods, Workload};
use added::Added;
pub(crate) use bare::Bare;
use cached::Cached;

/// Measure the cost of the gateway, in alternation with and without it: reads of a stock counter over REST and over
/// gRPC at a fixed rate, and cached reads of a product against a bare actix-web handler that returns the same bytes.
#[derive(Debug, Args)]
pub(crate) struct GatewayCost {
    /// Reads per second, where latency is measured.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// The number of connections, where throughput is measured.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    connections: u16,
    /// The number of rounds of each side.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The length of a round, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The file for the result.
    #[arg(long, value_name = "FILE", default_value = "target/bench/gateway.json")]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GatewayResult {
    added: Added,
    cached: Cached,
}

impl GatewayCost {
    pub(crate) async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        let mut testbed = Testbed::start(progress).await?;
        let goods = Goods::of(Workload::TenSkus).await?;
        let shop = testbed.open(&goods, Setup { replicas: 1, affinity: None }).await?;
        let lasting = Duration::from_secs(self.seconds);
        let adding = added::measure(&shop, &goods, f64::from(self.rate), self.rounds, lasting);
        let added = progress.step("the latency that the gateway adds", adding).await?;
        let product = &goods.products()[0].sku;
        let reading = cached::measure(&shop, product, usize::from(self.connections), self.rounds, lasting);
        let cached = progress.step("cached reads", reading).await?;
        shop.close().await?;
        testbed.stop().await?;
        let json = serde_json::to_string_pretty(&GatewayResult { added, cached })?;
        results::write(&self.out, json.as_bytes())?;
        Ok(terminal::line(json)?)
    }
}
