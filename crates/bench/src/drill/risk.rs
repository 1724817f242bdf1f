//! A risk service that takes 2 s: the latency of orders before and after the breaker opens.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use cli::terminal;
use devstack::Progress;
use devstack::faults::{Fault, FaultProxy};
use serde::Serialize;
use tokio::time::sleep;

use super::load::load;
use super::replicas::Minute;
use super::report::{Figures, Report};
use super::stage::{Marks, Stage, set};
use super::traffic::{Kind, Manners, Mix};
use crate::harness::drive::Pace;
use crate::harness::results;

const CLIENTS: usize = 512;
const ANSWER: Duration = Duration::from_secs(2);
/// The time in which connections are opened.
const WARM_UP: Duration = Duration::from_secs(3);
/// How often the state of the breaker is polled.
const POLL: Duration = Duration::from_millis(50);

/// Let the risk service answer after 2 s between a third and two thirds of the time.
#[derive(Debug, Args)]
pub(super) struct SlowRisk {
    #[command(flatten)]
    minute: Minute,
}

/// Orders by the state of the risk service and the breaker when they were due.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OrdersByState {
    well: Figures,
    /// From the fault until the breaker opens.
    at_first: Figures,
    breaker_opens_after_ms: u64,
    breaker_open: Figures,
    p99_rise_at_first_ms: f64,
    p99_rise_with_open_breaker_ms: f64,
}

impl SlowRisk {
    pub(super) async fn run(self, out: &Path, progress: &Progress) -> anyhow::Result<()> {
        let proxy = FaultProxy::start().await?;
        let url = proxy.url();
        let stage = Stage::open(Manners::default(), progress, |options| {
            let upstreams = toml::Table::from_iter([("risk".to_owned(), toml::Value::from(url))]);
            let settings = toml::Table::from_iter([("upstreams".to_owned(), upstreams.into())]);
            set(&mut options.overrides, "order", settings);
        });
        let stage = stage.await?;
        proxy.set_target(&stage.platform().grpc_url("risk")?)?;
        let third = self.minute.third();
        let mut marks = Marks::new();
        let metrics = stage.order_metrics()?;
        let breaking = async {
            sleep(third).await;
            proxy.set(Fault::Delay(ANSWER));
            let slow = marks.elapsed();
            marks.add("risk slow");
            while metrics.open_breakers("risk").await? == 0 {
                ensure!(marks.elapsed() < slow + third, "the breaker did not open within {third:?}");
                sleep(POLL).await;
            }
            let open = marks.elapsed();
            marks.add("breaker open");
            sleep((slow + third).saturating_sub(open)).await;
            proxy.set(Fault::None);
            marks.add("risk well");
            anyhow::Ok((slow, open, marks.elapsed(), marks.into_list()))
        };
        let pace = Pace::Open { per_second: f64::from(self.minute.rate) };
        let loading = load(&stage.shoppers, Mix::SHOP, pace, CLIENTS, Duration::from_secs(self.minute.seconds));
        let (samples, broken) = tokio::join!(loading, breaking);
        let (samples, (slow, open, well, marks)) = (samples?, broken?);
        let orders = |from: Duration, to: Duration| {
            let (from, to) = (samples.start + from, samples.start + to);
            let orders = samples.list.iter().filter(|sample| sample.kind == Kind::Order);
            Figures::of(orders.filter(|sample| (from..to).contains(&sample.due)))
        };
        let before = orders(WARM_UP, slow);
        let (at_first, breaker_open) = (orders(slow, open), orders(open, well));
        let by_state = OrdersByState {
            well: before,
            at_first,
            breaker_opens_after_ms: u64::try_from((open - slow).as_millis())?,
            breaker_open,
            p99_rise_at_first_ms: at_first.p99_ms - before.p99_ms,
            p99_rise_with_open_breaker_ms: breaker_open.p99_ms - before.p99_ms,
        };
        let json = serde_json::to_string_pretty(&by_state)?;
        results::write(&out.join("risk-orders.json"), json.as_bytes())?;
        terminal::line(json)?;
        stage.close(Report::new("risk", &samples, marks), samples.placed(), out).await
    }
}
