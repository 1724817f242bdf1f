//! Five times more than can be taken: what is still done, what is shed, and how soon all is well again.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use devstack::Progress;
use serde::Serialize;

use super::load::{Samples, load};
use super::report::{Figures, Report};
use super::stage::{Marks, Stage, set};
use super::traffic::{Kind, Manners, Mix, Sample};
use crate::bench::drive::Pace;
use crate::bench::results;
use crate::bench::stats::rounded;
use crate::terminal;

/// With how many clients the peak is looked for: fewer don't fill the batches of orders, more are refused.
const PEAK_CLIENTS: [usize; 4] = [16, 32, 64, 128];
/// The share of the peak that is asked before and after.
const CALM: f64 = 0.5;
/// A second is well when so much of what was asked is good.
const WELL: f64 = 0.99;

/// Finds the peak goodput of closed loops, then offers many times more in an open loop, with half of the peak before
/// and after it.
#[derive(Debug, Args)]
pub(super) struct Flood {
    /// How many times the peak is offered.
    #[arg(long, value_name = "TIMES", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=100))]
    times: u32,
    /// How long each part takes, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(5..=600))]
    seconds: u64,
    /// How often a client sends what was refused or failed again, at once and whatever it was told.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10))]
    retries: u32,
    /// The most requests under way at once.
    #[arg(long, value_name = "N", default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    in_flight: u32,
}

/// What became of an overload.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Flooded {
    /// Good answers a second of the best closed loop, all and those to orders and payments, and its clients.
    peak_clients: usize,
    peak_per_second: f64,
    peak_orders_per_second: f64,
    offered_per_second: f64,
    /// While so much was offered.
    goodput_per_second: f64,
    goodput_orders_per_second: f64,
    ratio: f64,
    ratio_orders: f64,
    by_kind: [(Kind, Figures); Kind::ALL.len()],
    /// Of payments that were not shed, in percent.
    payments_good_percent: f64,
    /// From the end of the overload to the first second in which all is well; none when it never was.
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
        terminal::print(&json, false)?;
        placed += [&before, &flood, &after].into_iter().map(Samples::placed).sum::<u64>();
        let all = [before.list, flood.list, after.list].concat();
        let not_sent = before.not_sent + flood.not_sent + after.not_sent;
        let shown = Samples { start: before.start, list: all, not_sent };
        stage.close(Report::new("overload", &shown, marks.into_list()), placed, out).await
    }
}

/// The defaults, in place of the local stack's, which lets in whatever tests send.
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

/// Finds the peak, a while with each number of clients, and counts the orders that were placed meanwhile.
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

/// Good answers a second that came before the load's end.
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

/// The first second from which on every second is well.
fn recovered(after: &Samples) -> Option<u64> {
    let report = Report::new("recovery", after, Vec::new());
    let well = |figures: &Figures| {
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        let (good, all) = (figures.good as f64, (figures.good + figures.shed + figures.failed) as f64);
        good >= all * WELL
    };
    let last_ill = report.seconds.iter().rfind(|second| !well(&second.figures)).map(|second| second.second);
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
    use crate::drill::traffic::Outcome;

    #[test]
    fn recovery_is_when_it_stays_well() {
        let start = Instant::now();
        let samples = |outcomes: &[Outcome]| {
            let sample = |(second, outcome): (u64, &Outcome)| Sample {
                kind: Kind::Order,
                due: start + Duration::from_secs(second),
                took: Duration::from_millis(1),
                outcome: *outcome,
                sent: 1,
            };
            let list = (0..).zip(outcomes).map(sample).collect();
            Samples { start, list, not_sent: 0 }
        };
        use Outcome::{Good, Shed};
        assert_eq!(recovered(&samples(&[Good, Good])), Some(0));
        assert_eq!(recovered(&samples(&[Shed, Good, Shed, Good])), Some(3));
        assert_eq!(recovered(&samples(&[Good, Shed])), None);
    }
}
