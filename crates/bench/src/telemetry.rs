//! `bench telemetry`: the cost of traces. Orders go over REST to two platforms in alternation, one of which sends its
//! spans to a collector that discards them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use cli::terminal;
use devstack::Progress;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::harness::clients::parse_clients;
use crate::harness::drive::{Load, Pace, drive};
use crate::harness::rest::Rest;
use crate::harness::results;
use crate::harness::shop::{Setup, Shop, Testbed, overrides};
use crate::harness::stats::{median, rounded};
use crate::harness::usage::OWN;
use crate::harness::workload::{Goods, Workload};

const WARM_UP: Duration = Duration::from_secs(5);
/// The processes that are involved in an order.
const PROCESSES: [&str; 6] = ["gateway", "order", "inventory", "payment", "risk", "reconciliation"];

/// Measure orders over REST with telemetry on and off, in alternation, in a closed loop.
#[derive(Debug, Args)]
pub(crate) struct TelemetryCost {
    /// The number of clients.
    #[arg(long, value_name = "N", default_value = "64", value_parser = parse_clients)]
    clients: usize,
    /// The sampling ratio of traces.
    #[arg(long, value_name = "RATIO", default_value_t = 0.01)]
    ratio: f64,
    /// The number of rounds of each side.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The length of a round, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The file for the result.
    #[arg(long, value_name = "FILE", default_value = "target/bench/telemetry.json")]
    out: PathBuf,
}

/// The rounds of both sides, and the medians of their ratios.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TelemetryResult {
    sample_ratio: f64,
    clients: usize,
    off: TelemetrySide,
    on: TelemetrySide,
    /// On divided by off, round by round; the median.
    throughput_ratio: f64,
    cpu_ratio: f64,
    /// The number of spans that arrived at the collector.
    spans: u64,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct TelemetrySide {
    orders_per_second: Vec<f64>,
    /// Of the services, without MongoDB and the clients.
    cpu_seconds_per_1000: Vec<f64>,
}

impl TelemetryCost {
    pub(crate) async fn run(self, progress: &Progress) -> anyhow::Result<()> {
        let sink = Sink::default();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let mut serving = JoinSet::new();
        serving.spawn(
            Server::builder()
                .add_service(TraceServiceServer::new(sink.clone()))
                .serve_with_incoming(TcpIncoming::from(listener)),
        );
        let mut testbed = Testbed::start(progress).await?;
        let goods = Goods::of(Workload::TenThousandSkus).await?;
        let mut off = MeasuredShop::open(&mut testbed, &goods, self.clients, BTreeMap::new()).await?;
        let mut on = MeasuredShop::open(&mut testbed, &goods, self.clients, exporting(&endpoint, self.ratio)).await?;
        let load = Load { clients: self.clients, pace: Pace::Closed, lasting: Duration::from_secs(self.seconds) };
        let (mut sides, step) =
            ((TelemetrySide::default(), TelemetrySide::default()), "orders with and without telemetry");
        let measuring = async {
            off.round(Load { lasting: WARM_UP, ..load }).await?;
            on.round(Load { lasting: WARM_UP, ..load }).await?;
            for number in 0..self.rounds {
                // The order alternates, as the second side meets a larger database.
                if number % 2 == 0 {
                    sides.0.add(off.round(load).await?);
                    sides.1.add(on.round(load).await?);
                } else {
                    sides.1.add(on.round(load).await?);
                    sides.0.add(off.round(load).await?);
                }
            }
            anyhow::Ok(())
        };
        progress.step(step, measuring).await?;
        off.shop.close().await?;
        on.shop.close().await?;
        testbed.stop().await?;
        let (off, on) = sides;
        let ratio = |of: fn(&TelemetrySide) -> &Vec<f64>| {
            rounded(median(of(&on).iter().zip(of(&off)).map(|(on, off)| on / off)))
        };
        let measured = TelemetryResult {
            sample_ratio: self.ratio,
            clients: self.clients,
            throughput_ratio: ratio(|side| &side.orders_per_second),
            cpu_ratio: ratio(|side| &side.cpu_seconds_per_1000),
            off,
            on,
            spans: sink.spans.load(Ordering::Relaxed),
        };
        let json = serde_json::to_string_pretty(&measured)?;
        results::write(&self.out, json.as_bytes())?;
        Ok(terminal::line(json)?)
    }
}

fn exporting(endpoint: &str, ratio: f64) -> BTreeMap<String, toml::Table> {
    let telemetry = toml::toml! { telemetry = { otlp_endpoint = endpoint, sample_ratio = ratio } };
    PROCESSES.map(|process| (process.to_owned(), telemetry.clone())).into()
}

/// A platform and its buyers.
struct MeasuredShop {
    shop: Shop,
    buyers: Arc<Rest>,
    goods: Arc<Goods>,
}

impl MeasuredShop {
    async fn open(
        testbed: &mut Testbed,
        goods: &Arc<Goods>,
        clients: usize,
        settings: BTreeMap<String, toml::Table>,
    ) -> anyhow::Result<Self> {
        let shop = testbed.open_with(goods, |options| {
            options.order_replicas = 1;
            options.overrides = overrides(Setup { replicas: 1, affinity: None });
            for (process, table) in settings {
                options.overrides.entry(process).or_default().extend(table);
            }
        });
        let shop = shop.await?;
        let buyers = Arc::new(Rest::connect(&shop.gateway(), shop.metrics()?, goods, clients).await?);
        Ok(Self { shop, buyers, goods: Arc::clone(goods) })
    }

    /// Runs a round and gives orders per second, and the services' CPU seconds per 1,000 of them.
    async fn round(&mut self, load: Load) -> anyhow::Result<[f64; 2]> {
        let before = self.shop.meter().read()?;
        let tally = drive(&self.buyers, &self.goods, load).await?;
        let used = self.shop.meter().since(&before)?;
        self.shop.check_books(&tally).await?;
        let services = used.iter().filter(|(name, _)| *name != OWN && !name.starts_with("mongod"));
        let seconds: f64 = services.map(|(_, seconds)| seconds).sum();
        #[allow(clippy::cast_precision_loss)] // no round comes near 2^53 orders
        let (placed, in_time) = (tally.placed as f64, tally.placed_in_time as f64);
        Ok([rounded(in_time / load.lasting.as_secs_f64()), rounded(seconds * 1_000.0 / placed)])
    }
}

impl TelemetrySide {
    fn add(&mut self, [per_second, cpu]: [f64; 2]) {
        self.orders_per_second.push(per_second);
        self.cpu_seconds_per_1000.push(cpu);
    }
}

/// A collector that counts spans and discards them.
#[derive(Debug, Clone, Default)]
struct Sink {
    spans: Arc<AtomicU64>,
}

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = &request.get_ref().resource_spans;
        let spans = resources.iter().flat_map(|resource| &resource.scope_spans).map(|scope| scope.spans.len());
        self.spans.fetch_add(spans.sum::<usize>().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
