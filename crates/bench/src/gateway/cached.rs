//! Cached reads: products per second from the gateway's cache, beside a bare actix-web handler that returns the same
//! bytes.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::bare::Server;
use super::connection::{Connection, authority};
use crate::harness::shop::Shop;
use crate::harness::stats::{median, rounded};

const WARM_UP: Duration = Duration::from_secs(2);

/// Reads per second, in a closed loop.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cached {
    connections: usize,
    bytes: usize,
    /// The rounds.
    bare_per_second: Vec<f64>,
    gateway_per_second: Vec<f64>,
    /// The gateway's rate divided by the bare handler's, round by round; the median.
    ratio: f64,
    /// CPU seconds of the gateway per 1,000 reads; the median.
    gateway_cpu_seconds_per_1000: f64,
}

/// Measures both in alternation.
///
/// # Errors
/// When a read fails, or the bare server does not start.
pub(super) async fn measure(
    shop: &Shop,
    sku: &str,
    connections: usize,
    rounds: u32,
    lasting: Duration,
) -> anyhow::Result<Cached> {
    let gateway = shop.gateway();
    let (gateway, path) = (authority(&gateway)?, format!("/api/v1/products/{sku}"));
    let body = Connection::open(gateway).await?.get(&path).await?;
    let bare = Server::start(&body).await?;
    let target = |authority: &str| Target { authority: authority.to_owned(), path: path.clone(), connections };
    let (bare_target, gateway_target) = (target(bare.authority()), target(gateway));
    bare_target.read(WARM_UP).await?;
    gateway_target.read(WARM_UP).await?;
    let (mut bare_per_second, mut gateway_per_second, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        bare_per_second.push(rounded(bare_target.read(lasting).await?));
        let before = shop.meter().read()?;
        let rate = gateway_target.read(lasting).await?;
        let used = shop.meter().since(&before)?;
        let used = used.get("gateway").context("the gateway's CPU time is not read")?;
        cpu.push(used * 1_000.0 / (rate * lasting.as_secs_f64()));
        gateway_per_second.push(rounded(rate));
    }
    bare.stop().await?;
    let ratios = gateway_per_second.iter().zip(&bare_per_second).map(|(gateway, bare)| gateway / bare);
    Ok(Cached {
        connections,
        bytes: body.len(),
        ratio: rounded(median(ratios)),
        gateway_cpu_seconds_per_1000: rounded(median(cpu)),
        bare_per_second,
        gateway_per_second,
    })
}

/// A server and a path to read, and the number of connections.
struct Target {
    authority: String,
    path: String,
    connections: usize,
}

impl Target {
    /// Reads as fast as answers come, and gives the reads per second.
    async fn read(&self, lasting: Duration) -> anyhow::Result<f64> {
        let mut connections = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            connections.push(Connection::open(&self.authority).await?);
        }
        let end = Instant::now() + lasting;
        let mut readers = JoinSet::new();
        for mut connection in connections {
            let path = self.path.clone();
            readers.spawn(async move {
                let mut reads = 0_u32;
                while Instant::now() < end {
                    connection.get(&path).await?;
                    reads += 1;
                }
                anyhow::Ok(reads)
            });
        }
        let mut reads = 0.0;
        while let Some(ended) = readers.join_next().await {
            reads += f64::from(ended??);
        }
        Ok(reads / lasting.as_secs_f64())
    }
}
