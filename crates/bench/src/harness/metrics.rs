//! Counters of the order replicas, from their admin ports.

use std::time::Duration;

use anyhow::Context as _;

const CALL_BOUND: Duration = Duration::from_secs(5);
const RETRIES: &str = "mongo_transaction_retries_total";

/// The admin ports of the order replicas.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    http: reqwest::Client,
    /// Such as `http://127.0.0.1:20001`.
    addresses: Vec<String>,
}

impl Metrics {
    /// Of the processes with these admin addresses.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub(crate) fn new(addresses: Vec<String>) -> anyhow::Result<Self> {
        Ok(Self { http: reqwest::Client::builder().timeout(CALL_BOUND).build()?, addresses })
    }

    /// The retries of transactions of all replicas together.
    ///
    /// # Errors
    /// When a replica does not answer.
    pub(crate) async fn transaction_retries(&self) -> anyhow::Result<u64> {
        self.sum(RETRIES).await
    }

    /// The number of replicas whose breaker for a peer is open.
    ///
    /// # Errors
    /// When a replica does not answer.
    pub(crate) async fn open_breakers(&self, peer: &str) -> anyhow::Result<u64> {
        self.sum(&format!("resilience_breaker_state{{peer=\"{peer}\",state=\"open\"}}")).await
    }

    async fn sum(&self, series: &str) -> anyhow::Result<u64> {
        let mut sum = 0;
        for address in &self.addresses {
            let asked = async {
                let answer = self.http.get(format!("{address}/metrics")).send().await?.error_for_status()?;
                answer.text().await
            };
            let text = asked.await.context("the metrics of an order service can't be read")?;
            sum += sum_of(&text, series);
        }
        Ok(sum)
    }
}

/// The sum of all series of a metric, or of one that is named with its labels, in Prometheus' text format; 0 without
/// series.
fn sum_of(text: &str, series: &str) -> u64 {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(series)?;
        let is_it = rest.starts_with([' ', '{']);
        is_it.then(|| rest.rsplit(' ').next()?.parse::<u64>().ok()).flatten()
    });
    values.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_of_a_metric_are_sum_of() {
        let text = "# TYPE retries_total counter\nretries_total 3\nretries_total{lane=\"1\"} 4\nretries_total_x 9\n";
        assert_eq!(sum_of(text, "retries_total"), 7);
        assert_eq!(sum_of(text, "retries_total{lane=\"1\"}"), 4);
        assert_eq!(sum_of("", "retries_total"), 0);
    }
}
