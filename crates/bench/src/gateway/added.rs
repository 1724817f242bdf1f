//! The latency and the CPU that the gateway adds to a call: the same read over REST and directly over gRPC, in an open
//! loop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use proto::inventory::v1::GetStockRequest;
use proto::inventory::v1::stock_service_client::StockServiceClient;
use serde::Serialize;
use service::RequestContext;
use tokio::sync::Mutex;
use tonic::transport::{Channel, Endpoint};

use super::connection::{Connection, authority};
use crate::harness::buyer::{Buyer, Outcome, PATIENCE};
use crate::harness::drive::{Load, Pace, Tally, drive};
use crate::harness::shop::Shop;
use crate::harness::stats::{median, quantiles_ms, rounded};
use crate::harness::workload::{Goods, OrderLine};

/// The most reads in flight: far more than there are at any moment.
const CLIENTS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(3);

/// The cost that the gateway adds. Latencies count from when a read is sent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Added {
    reads_per_second: f64,
    grpc: Reads,
    rest: Reads,
    /// REST minus gRPC, round by round; the median.
    added_p50_ms: f64,
    added_p99_ms: f64,
    /// Of the gateway alone; the median.
    gateway_cpu_seconds_per_1000: f64,
}

/// One way to read; the quantiles of each round.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reads {
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    /// Reads that were due while no client was free.
    not_sent: u64,
}

/// Reads stock counters over REST, each client on a connection of its own. A read counts as a placed order.
struct OverRest {
    connections: Vec<Mutex<Connection>>,
    goods: Arc<Goods>,
}

/// Reads stock counters directly from the inventory service.
struct OverGrpc {
    client: StockServiceClient<Channel>,
    goods: Arc<Goods>,
}

/// Measures both ways in alternation.
///
/// # Errors
/// When a read fails.
pub(super) async fn measure(
    shop: &Shop,
    goods: &Arc<Goods>,
    rate: f64,
    rounds: u32,
    lasting: Duration,
) -> anyhow::Result<Added> {
    let rest = Arc::new(OverRest::connect(&shop.gateway(), goods).await?);
    let grpc = Arc::new(OverGrpc::connect(&shop.inventory()?, goods)?);
    let load = Load { clients: CLIENTS, pace: Pace::Open { per_second: rate }, lasting };
    drive(&grpc, goods, Load { lasting: WARM_UP, ..load }).await?;
    drive(&rest, goods, Load { lasting: WARM_UP, ..load }).await?;
    let (mut direct, mut through, mut cpu) = (Reads::default(), Reads::default(), Vec::new());
    for _ in 0..rounds {
        direct.add(&drive(&grpc, goods, load).await?)?;
        let before = shop.meter().read()?;
        let tally = drive(&rest, goods, load).await?;
        let used = shop.meter().since(&before)?;
        let used = used.get("gateway").context("the gateway's CPU time is not read")?;
        #[allow(clippy::cast_precision_loss)] // no round comes near 2^53 reads
        cpu.push(used * 1_000.0 / tally.placed as f64);
        through.add(&tally)?;
    }
    let added = |of: fn(&Reads) -> &Vec<f64>| {
        rounded(median(of(&through).iter().zip(of(&direct)).map(|(rest, grpc)| rest - grpc)))
    };
    Ok(Added {
        reads_per_second: rate,
        added_p50_ms: added(|side| &side.p50_ms),
        added_p99_ms: added(|side| &side.p99_ms),
        gateway_cpu_seconds_per_1000: rounded(median(cpu)),
        grpc: direct,
        rest: through,
    })
}

impl Reads {
    fn add(&mut self, tally: &Tally) -> anyhow::Result<()> {
        let quantiles = quantiles_ms(tally.placed_from_send(), [0.5, 0.99]);
        let [p50, p99] = quantiles.context("nothing was read in a whole round")?;
        self.p50_ms.push(p50);
        self.p99_ms.push(p99);
        self.not_sent += tally.not_sent;
        Ok(())
    }
}

impl OverRest {
    async fn connect(gateway: &str, goods: &Arc<Goods>) -> anyhow::Result<Self> {
        let mut connections = Vec::with_capacity(CLIENTS);
        for _ in 0..CLIENTS {
            connections.push(Mutex::new(Connection::open(authority(gateway)?).await?));
        }
        Ok(Self { connections, goods: Arc::clone(goods) })
    }
}

impl Buyer for OverRest {
    const NAME: &'static str = "rest";

    async fn place(&self, client: usize, lines: &[OrderLine]) -> anyhow::Result<Outcome> {
        let path = format!("/api/v1/products/{}/stock", self.goods.product(lines[0]).sku);
        self.connections[client].lock().await.get(&path).await?;
        Ok(Outcome::Placed)
    }

    async fn retries(&self) -> anyhow::Result<u64> {
        Ok(0)
    }
}

impl OverGrpc {
    fn connect(inventory: &str, goods: &Arc<Goods>) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(inventory.to_owned())?.tcp_nodelay(true);
        Ok(Self { client: StockServiceClient::new(endpoint.connect_lazy()), goods: Arc::clone(goods) })
    }
}

impl Buyer for OverGrpc {
    const NAME: &'static str = "grpc";

    async fn place(&self, _client: usize, lines: &[OrderLine]) -> anyhow::Result<Outcome> {
        let message = GetStockRequest { sku: self.goods.product(lines[0]).sku.clone() };
        let request = RequestContext::internal(PATIENCE).request(message)?;
        self.client.clone().get_stock(request).await?;
        Ok(Outcome::Placed)
    }

    async fn retries(&self) -> anyhow::Result<u64> {
        Ok(0)
    }
}
