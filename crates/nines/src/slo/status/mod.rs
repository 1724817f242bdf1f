//! `nines slo status`: how much of each error budget is left.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use cli::terminal;
use serde::Serialize;

use super::prometheus::{Prometheus, Sample};

const SERIES: &str = concat!(
    "{__name__=~\"slo:(objective:ratio|time_period:days|current_burn_rate:ratio",
    "|period_error_budget_remaining:ratio)\",slo!=\"\"}"
);
const FIRING: &str = "ALERTS{alertstate=\"firing\",slo!=\"\"}";

#[derive(Debug, Args)]
pub(super) struct Status {
    /// The URL of Prometheus, such as http://127.0.0.1:9090.
    #[arg(long, value_name = "URL")]
    prometheus: String,
    /// The time limit of each of two queries, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=120_000))]
    timeout_ms: u64,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// The error budgets of all objectives, by name.
#[derive(Debug, PartialEq, Serialize)]
struct Budgets {
    slos: Vec<Budget>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Budget {
    name: String,
    /// The share that must be good.
    objective: f64,
    period_days: f64,
    /// The share of the budget that is left: at most 1, negative when the budget is overspent.
    budget_remaining: f64,
    /// The burn rate in the last 5 minutes; 1 uses the budget up in a period. Infinite, and null in JSON, when there is
    /// no budget and something is bad.
    burn_rate: f64,
    /// The firing alerts with their severities.
    firing: Vec<String>,
}

impl Status {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let prometheus = Prometheus::new(&self.prometheus, Duration::from_millis(self.timeout_ms))?;
        let (series, firing) = tokio::try_join!(prometheus.query(SERIES), prometheus.query(FIRING))?;
        let budgets = Budgets::of(&series, &firing);
        ensure!(
            !budgets.slos.is_empty(),
            "Prometheus at {} has no objectives: does it load deploy/prometheus/rules, and has it evaluated them?",
            self.prometheus
        );
        terminal::print(&budgets, self.json)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Budgets {
    fn of(series: &[Sample], firing: &[Sample]) -> Self {
        let mut values: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
        for Sample { labels, value } in series {
            if let (Some(slo), Some(name)) = (labels.get("slo"), labels.get("__name__")) {
                values.entry(slo).or_default().insert(name, *value);
            }
        }
        let of_one = |(name, values): (&str, BTreeMap<&str, f64>)| {
            // An objective whose series are not all recorded yet is left out.
            Some(Budget {
                objective: *values.get("slo:objective:ratio")?,
                period_days: *values.get("slo:time_period:days")?,
                budget_remaining: *values.get("slo:period_error_budget_remaining:ratio")?,
                burn_rate: *values.get("slo:current_burn_rate:ratio")?,
                firing: alerts(name, firing),
                name: name.to_owned(),
            })
        };
        Self { slos: values.into_iter().filter_map(of_one).collect() }
    }
}

fn alerts(slo: &str, firing: &[Sample]) -> Vec<String> {
    let of_slo = firing.iter().filter(|sample| sample.labels.get("slo").is_some_and(|name| name == slo));
    let names = of_slo.filter_map(|sample| {
        let (alert, severity) = (sample.labels.get("alertname")?, sample.labels.get("severity")?);
        Some(format!("{alert} ({severity})"))
    });
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

impl fmt::Display for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.slos.iter().map(|slo| slo.name.len()).max().unwrap_or_default();
        write!(f, "{:longest$}  objective  days  budget left  burn rate  alerts", "slo")?;
        for slo in &self.slos {
            let firing = if slo.firing.is_empty() { "-".to_owned() } else { slo.firing.join(", ") };
            let Budget { name, objective, period_days, budget_remaining, burn_rate, .. } = slo;
            let (objective, left) = (objective * 100.0, budget_remaining * 100.0);
            write!(
                f,
                "\n{name:longest$}  {objective:7.2} %  {period_days:4}  {left:9.1} %  {burn_rate:9.2}  {firing}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
