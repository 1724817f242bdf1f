//! An overload: how much is still served, how much is shed, and how soon the platform recovers.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use cli::terminal;
use devstack::Progress;
use serde::Serialize;

use super::load::{Samples, load};
use super::report::{Figures, Report};
use super::stage::{Marks, Stage, set};
use super::traffic::{Kind, Manners, Mix, Sample};
use crate::harness::drive::Pace;
use crate::harness::results;
use crate::harness::stats::rounded;

/// The numbers of clients with which the peak is searched: fewer don't fill the batches of orders, more are refused.
const PEAK_CLIENTS: [usize; 4] = [16, 32, 64, 128];
/// The load before and after the overload, as a share of the peak.
const CALM: f64 = 0.5;
/// The share of good answers from which on a second counts as recovered.
const RECOVERED: f64 = 0.99;

/// Find the peak goodput of closed loops, then offer a multiple of it in an open loop, with half of the peak before and
/// after it.
#[derive(Debug, Args)]
pub(super) struct Flood {
    /// The offered load, as a multiple of the peak.
    #[arg(long, value_name = "TIMES", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=100))]
    times: u32,
    /// The length of each part, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(5..=600))]
    seconds: u64,
    /// How often a client retries a refused or failed request, at once and regardless of `Retry-After`.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10))]
    retries: u32,
    /// The most requests in flight.
    #[arg(long, value_name = "N", default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    in_flight: u32,
}

/// The results of an overload.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Flooded {
    /// The best closed loop: its clients, its good answers per second, and those to orders and payments.
    peak_clients: usize,
    peak_per_second: f64,
    peak_orders_per_second: f64,
    offered_per_second: f64,
    /// During the overload.
    goodput_per_second: f64,
    goodput_orders_per_second: f64,
    ratio: f64,
    ratio_orders: f64,
    by_kind: [(Kind, Figures); Kind::ALL.len()],
    /// The share of good answers to payments that were not shed, in percent.
    payments_good_percent: f64,
    /// From the end of the overload to the first second from which on the platform has recovered; `None` when it has
    /// not.
    recovered_after_seconds: Option<u64>,
}

impl Flood {
    pub(super) async fn run(self, out: &Path, progress: &Progress) -> anyhow::Result<()> {
        let manners = Manners { retries: self.retries, ..Manners::default() };
        let stage = Stage::open(manners, progress, |options| {
            set(&mut options.overrides, "gateway", limits_of_a_shop());
        })
        .await?;
        let lasting = Duration::from_secs(self.seconds);
        let clients = usize::try_from(self.in_flight)?;
        let (peak, mut placed) = progress.step("the peak of closed loops", peak(&stage, lasting)).await?;
        let at = |times: f64| Pace::Open { per_second: peak.per_second * times };
        let mut marks = Marks::new();
        let before = load(&stage.shoppers, Mix::SHOP, at(CALM), clients, lasting).await?;
        marks.add(format!("{} times the peak", self.times));
        let flood = load(&stage.shoppers, Mix::SHOP, at(f64::from(self.times)), clients, lasting).await?;
        marks.add("half of the peak");
        let after = load(&stage.shoppers, Mix::SHOP, at(CALM), clients, lasting).await?;
        let flooded = flooded(&flood, &after, &peak, lasting);
        let json = serde_json::to_string_pretty(&flooded)?;
        results::write(&out.join("overload-figures.json"), json.as_bytes())?;
        terminal::line(json)?;
        placed += [&before, &flood, &after].into_iter().map(Samples::placed).sum::<u64>();
        let all = [before.list, flood.list, after.list].concat();
        let not_sent = before.not_sent + flood.not_sent + after.not_sent;
        let shown = Samples { start: before.start, list: all, not_sent };
        stage.close(Report::new("overload", &shown, marks.into_list()), placed, out).await
    }
}

/// The gateway's default limits in place of the local stack's, which admit everything that tests send.
fn limits_of_a_shop() -> toml::Table {
    toml::toml! {
        [limits.concurrency]
        initial = 32
        min = 16
        payments = { initial = 256, min = 64 }
    }
}

/// The best of the closed loops.
#[derive(Debug, Default)]
struct Peak {
    clients: usize,
    per_second: f64,
    orders_per_second: f64,
}

/// Finds the peak with each number of clients in turn, and counts the orders that were placed meanwhile.
async fn peak(stage: &Stage, lasting: Duration) -> anyhow::Result<(Peak, u64)> {
    let (mut best, mut placed) = (Peak::default(), 0);
    for clients in PEAK_CLIENTS {
        let seen = load(&stage.shoppers, Mix::SHOP, Pace::Closed, clients, lasting).await?;
        placed += seen.placed();
        let per_second = goodput(&seen, lasting, |_| true);
        if per_second > best.per_second {
            best = Peak { clients, per_second, orders_per_second: goodput(&seen, lasting, is_order) };
        }
    }
    Ok((best, placed))
}

fn flooded(flood: &Samples, after: &Samples, peak: &Peak, lasting: Duration) -> Flooded {
    let (good, good_orders) = (goodput(flood, lasting, |_| true), goodput(flood, lasting, is_order));
    let of_kind = |kind| Figures::of(flood.list.iter().filter(move |sample| sample.kind == kind));
    let payments = of_kind(Kind::Pay);
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    let (paid, admitted) = (payments.good as f64, (payments.good + payments.failed).max(1) as f64);
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    let offered = (flood.list.len() as f64 + flood.not_sent as f64) / lasting.as_secs_f64();
    Flooded {
        peak_clients: peak.clients,
        peak_per_second: rounded(peak.per_second),
        peak_orders_per_second: rounded(peak.orders_per_second),
        offered_per_second: rounded(offered),
        goodput_per_second: rounded(good),
        goodput_orders_per_second: rounded(good_orders),
        ratio: rounded(good / peak.per_second),
        ratio_orders: rounded(good_orders / peak.orders_per_second),
        by_kind: Kind::ALL.map(|kind| (kind, of_kind(kind))),
        payments_good_percent: rounded(paid * 100.0 / admitted),
        recovered_after_seconds: recovered(after),
    }
}

fn is_order(sample: &Sample) -> bool {
    matches!(sample.kind, Kind::Order | Kind::Pay)
}

/// Good answers per second, up to the end of the load.
fn goodput(samples: &Samples, lasting: Duration, which: fn(&Sample) -> bool) -> f64 {
    let end = samples.start + lasting;
    let good = samples
        .list
        .iter()
        .filter(|sample| sample.outcome.is_good() && which(sample) && sample.due + sample.took <= end);
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    let good = good.count() as f64;
    good / lasting.as_secs_f64()
}

/// The first second from which on every second counts as recovered.
fn recovered(after: &Samples) -> Option<u64> {
    let report = Report::new("recovery", after, Vec::new());
    let is_well = |figures: &Figures| {
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        let (good, all) = (figures.good as f64, (figures.good + figures.shed + figures.failed) as f64);
        good >= all * RECOVERED
    };
    let last_ill = report.seconds.iter().rfind(|second| !is_well(&second.figures)).map(|second| second.second);
    let last = report.seconds.last()?.second;
    match last_ill {
        None => Some(0),
        Some(ill) if ill < last => Some(ill + 1),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::drill::traffic::RequestOutcome;

    #[test]
    fn recovery_starts_with_the_first_good_second_that_no_bad_one_follows() {
        let start = Instant::now();
        let samples = |outcomes: &[RequestOutcome]| {
            let sample = |(second, outcome): (u64, &RequestOutcome)| Sample {
                kind: Kind::Order,
                due: start + Duration::from_secs(second),
                took: Duration::from_millis(1),
                outcome: *outcome,
                sent: 1,
            };
            let list = (0..).zip(outcomes).map(sample).collect();
            Samples { start, list, not_sent: 0 }
        };
        use RequestOutcome::{Good, Shed};
        assert_eq!(recovered(&samples(&[Good, Good])), Some(0));
        assert_eq!(recovered(&samples(&[Shed, Good, Shed, Good])), Some(3));
        assert_eq!(recovered(&samples(&[Good, Shed])), None);
    }
}
