//! Rounds: a load that is measured and whose books are checked, and two buyers that are compared round by round.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::buyer::Buyer;
use super::drive::{Load, Pace, Tally, drive};
use super::shop::Shop;
use super::stats::{median, quantiles_ms, rounded, spread};
use super::usage::CpuSeconds;
use super::workload::Goods;

/// How long each side is warmed up before its first round.
const WARM_UP: Duration = Duration::from_secs(1);

/// The number and length of rounds.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Rounds {
    /// How many rounds of each side, in alternation.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The length of a round, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
}

impl Rounds {
    /// A number of rounds of this many seconds.
    pub(crate) fn new(rounds: u32, seconds: u64) -> Self {
        Self { rounds, seconds }
    }

    /// The load of one round.
    pub(crate) fn load(self, clients: usize, pace: Pace) -> Load {
        Load { clients, pace, lasting: Duration::from_secs(self.seconds) }
    }
}

/// The results of one round of one side.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Round {
    /// Orders per second that were placed and answered within the round.
    orders_per_second: f64,
    /// The latency of all orders that were sent in the round, whenever they were answered. An order that timed out
    /// counts with the time that it was waited for.
    p50_ms: f64,
    p99_ms: f64,
    /// Retries of transactions.
    retries: u64,
    /// Of all processes together, per 1,000 placed orders, including those that were answered after the round.
    cpu_seconds_per_1000: f64,
    cpu_seconds_per_1000_by_process: CpuSeconds,
    placed: u64,
    timed_out: u64,
    overloaded: u64,
    unavailable: u64,
    /// Orders of an open loop that were due in the round while no client was free.
    not_sent: u64,
}

/// The rounds of one side, and the median of each figure.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measured {
    pub(crate) orders_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) retries: f64,
    pub(crate) cpu_seconds_per_1000: f64,
    cpu_seconds_per_1000_by_process: CpuSeconds,
    rounds: Vec<Round>,
}

/// The second side's orders per second divided by the first's, round by round.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ratio {
    /// The median; `None` when the first side placed nothing in time.
    pub(crate) ratio: Option<f64>,
    /// The smallest and the largest.
    pub(crate) ratio_spread: Option<[f64; 2]>,
    ratio_rounds: Vec<f64>,
}

/// A load on a shop, in rounds.
pub(crate) struct Trial<'a> {
    pub(crate) shop: &'a mut Shop,
    pub(crate) goods: &'a Arc<Goods>,
    pub(crate) load: Load,
    pub(crate) rounds: Rounds,
}

impl Trial<'_> {
    /// Measures two sides in alternation.
    ///
    /// # Errors
    /// When an order is refused, or the books are wrong after any round.
    pub(crate) async fn compare<A: Buyer, B: Buyer>(
        &mut self,
        first: &Arc<A>,
        second: &Arc<B>,
    ) -> anyhow::Result<(Measured, Measured, Ratio)> {
        self.warm_up(first).await?;
        self.warm_up(second).await?;
        let (mut firsts, mut seconds) = (Vec::new(), Vec::new());
        for number in 1..=self.rounds.rounds {
            firsts.push(self.round(number, first).await?);
            seconds.push(self.round(number, second).await?);
        }
        let ratio = Ratio::new(&firsts, &seconds);
        Ok((Measured::new(firsts), Measured::new(seconds), ratio))
    }

    /// Measures one side alone.
    ///
    /// # Errors
    /// As [`Trial::compare`].
    pub(crate) async fn measure<B: Buyer>(&mut self, buyer: &Arc<B>) -> anyhow::Result<Measured> {
        self.warm_up(buyer).await?;
        let mut rounds = Vec::new();
        for number in 1..=self.rounds.rounds {
            rounds.push(self.round(number, buyer).await?);
        }
        Ok(Measured::new(rounds))
    }

    async fn warm_up<B: Buyer>(&mut self, buyer: &Arc<B>) -> anyhow::Result<()> {
        let warmed = async {
            let tally = drive(buyer, self.goods, Load { lasting: WARM_UP, ..self.load }).await?;
            self.shop.check_books(&tally).await
        };
        warmed.await.with_context(|| format!("the warm-up of {}", B::NAME))
    }

    async fn round<B: Buyer>(&mut self, number: u32, buyer: &Arc<B>) -> anyhow::Result<Round> {
        let round = self.measured_round(buyer).await;
        round.with_context(|| format!("round {number} of {}", B::NAME))
    }

    async fn measured_round<B: Buyer>(&mut self, buyer: &Arc<B>) -> anyhow::Result<Round> {
        let (retries, cpu) = (buyer.retries().await?, self.shop.meter().read()?);
        let tally = drive(buyer, self.goods, self.load).await?;
        let cpu = self.shop.meter().since(&cpu)?;
        let retries = buyer.retries().await?.saturating_sub(retries);
        self.shop.check_books(&tally).await?;
        Round::new(&tally, self.load, retries, &cpu)
    }
}

impl Round {
    fn new(tally: &Tally, load: Load, retries: u64, cpu: &CpuSeconds) -> anyhow::Result<Self> {
        let [p50_ms, p99_ms] =
            quantiles_ms(tally.waits(), [0.5, 0.99]).context("no order was answered in a whole round")?;
        #[allow(clippy::cast_precision_loss)] // no round comes near 2^53 orders
        let (in_time, placed) = (tally.placed_in_time as f64, tally.placed.max(1) as f64);
        let per_1000 = |seconds: f64| rounded(seconds * 1_000.0 / placed);
        Ok(Self {
            orders_per_second: rounded(in_time / load.lasting.as_secs_f64()),
            p50_ms: rounded(p50_ms),
            p99_ms: rounded(p99_ms),
            retries,
            cpu_seconds_per_1000: per_1000(cpu.values().sum()),
            cpu_seconds_per_1000_by_process: cpu
                .iter()
                .map(|(name, seconds)| (name.clone(), per_1000(*seconds)))
                .collect(),
            placed: tally.placed,
            timed_out: tally.timed_out,
            overloaded: tally.overloaded,
            unavailable: tally.unavailable,
            not_sent: tally.not_sent,
        })
    }
}

impl Measured {
    fn new(rounds: Vec<Round>) -> Self {
        let of = |figure: fn(&Round) -> f64| rounded(median(rounds.iter().map(figure)));
        let names = rounds.iter().flat_map(|round| round.cpu_seconds_per_1000_by_process.keys());
        let names: std::collections::BTreeSet<&String> = names.collect();
        let cpu_of = |name: &String| {
            let figures = rounds.iter().filter_map(|round| round.cpu_seconds_per_1000_by_process.get(name));
            rounded(median(figures.copied()))
        };
        #[allow(clippy::cast_precision_loss)] // a count of retries is far below 2^53
        let retries = of(|round| round.retries as f64);
        Self {
            orders_per_second: of(|round| round.orders_per_second),
            p50_ms: of(|round| round.p50_ms),
            p99_ms: of(|round| round.p99_ms),
            retries,
            cpu_seconds_per_1000: of(|round| round.cpu_seconds_per_1000),
            cpu_seconds_per_1000_by_process: names
                .into_iter()
                .map(|name| (name.clone(), cpu_of(name)))
                .collect::<BTreeMap<_, _>>(),
            rounds,
        }
    }
}

impl Ratio {
    fn new(first: &[Round], second: &[Round]) -> Self {
        let pairs = first.iter().zip(second).filter(|(first, _)| first.orders_per_second > 0.0);
        let ratios: Vec<f64> =
            pairs.map(|(first, second)| rounded(second.orders_per_second / first.orders_per_second)).collect();
        let ratio = (!ratios.is_empty()).then(|| rounded(median(ratios.iter().copied())));
        Self { ratio, ratio_spread: spread(&ratios), ratio_rounds: ratios }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn round(orders_per_second: f64, cpu: f64) -> Round {
        Round {
            orders_per_second,
            p50_ms: 1.0,
            p99_ms: 2.0,
            retries: 3,
            cpu_seconds_per_1000: cpu,
            cpu_seconds_per_1000_by_process: CpuSeconds::from([("mongod-0".to_owned(), cpu)]),
            placed: 10,
            timed_out: 0,
            overloaded: 0,
            unavailable: 0,
            not_sent: 0,
        }
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let (naive, lanes) = ([10.0, 20.0, 0.0, 40.0], [100.0, 100.0, 100.0, 100.0]);
        let ratio = Ratio::new(&naive.map(|rate| round(rate, 1.0)), &lanes.map(|rate| round(rate, 1.0)));
        assert_eq!(ratio.ratio_rounds, [10.0, 5.0, 2.5]);
        assert_eq!((ratio.ratio, ratio.ratio_spread), (Some(5.0), Some([2.5, 10.0])));
        assert_eq!(Ratio::new(&[round(0.0, 1.0)], &[round(1.0, 1.0)]).ratio, None);
    }

    #[test]
    fn a_side_is_written_as_medians_and_rounds() {
        let measured = Measured::new(vec![round(30.0, 1.0), round(10.0, 2.0), round(20.0, 6.0)]);
        let mut written: Value = serde_json::to_value(&measured).unwrap();
        let rounds = written.as_object_mut().unwrap().remove("rounds").unwrap();
        assert_eq!(rounds.as_array().unwrap().len(), 3);
        assert_eq!(rounds[2]["ordersPerSecond"], json!(20.0));
        let expected = json!({
            "ordersPerSecond": 20.0, "p50Ms": 1.0, "p99Ms": 2.0, "retries": 3.0, "cpuSecondsPer1000": 2.0,
            "cpuSecondsPer1000ByProcess": { "mongod-0": 2.0 },
        });
        assert_eq!(written, expected);
    }
}
