//! Instant queries of Prometheus' HTTP API.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use http::Uri;
use serde::Deserialize;

use crate::http::Http;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A Prometheus server.
#[derive(Debug)]
pub(super) struct Prometheus {
    http: Http,
    /// Without a trailing slash.
    url: String,
}

/// A series and its value at the moment of the query.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Answer {
    Success { data: Data },
    Error { error: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: serde_json::Value,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    /// Seconds since 1970, and the value as text.
    value: (f64, String),
}

impl Prometheus {
    /// The server at that URL, such as `http://127.0.0.1:9090`; a path before `/api` is kept.
    ///
    /// # Errors
    /// When it is not an http or https URL.
    pub(super) fn new(url: &str, timeout: Duration) -> anyhow::Result<Self> {
        let url = url.trim_end_matches('/');
        let parsed: Uri = url.parse().with_context(|| format!("{url} is not a URL"))?;
        let known = matches!(parsed.scheme_str(), Some("http" | "https"));
        ensure!(known && parsed.query().is_none(), "{url} must be http://… or https://…");
        Ok(Self { http: Http::new(timeout, MAX_ANSWER)?, url: url.to_owned() })
    }

    /// Evaluates a query now.
    ///
    /// # Errors
    /// When Prometheus does not answer in time, rejects the query, or answers with anything but a vector.
    pub(super) async fn query(&self, promql: &str) -> anyhow::Result<Vec<Sample>> {
        let uri = format!("{}/api/v1/query?query={}", self.url, escaped(promql)).parse()?;
        self.ask(uri).await.with_context(|| format!("Prometheus at {} can't be queried", self.url))
    }

    async fn ask(&self, uri: Uri) -> anyhow::Result<Vec<Sample>> {
        let answer = self.http.get(uri).await?;
        // The body of a rejection has a reason, too.
        match serde_json::from_slice(&answer.body) {
            Ok(Answer::Success { data: Data { result_type, result } }) => {
                ensure!(result_type == "vector", "the answer is a {result_type}, not a vector");
                let series: Vec<Series> = serde_json::from_value(result)?;
                series.into_iter().map(Sample::try_from).collect()
            }
            Ok(Answer::Error { error }) => bail!("it rejects the query: {error}"),
            Err(_) if !answer.status.is_success() => bail!("it answers with {}", answer.status),
            Err(error) => Err(error).context("the answer is not one of Prometheus"),
        }
    }
}

impl TryFrom<Series> for Sample {
    type Error = anyhow::Error;

    fn try_from(Series { metric, value: (_, text) }: Series) -> anyhow::Result<Self> {
        // Rust parses `+Inf`, `-Inf` and `NaN`, too.
        let value = text.parse().with_context(|| format!("a value is {text}"))?;
        Ok(Self { labels: metric, value })
    }
}

/// Percent-encodes a text for the query of a URL.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_escaped() {
        assert_eq!(escaped("a{b=~\"c d\"}+1"), "a%7Bb%3D~%22c%20d%22%7D%2B1");
    }

    #[test]
    fn only_urls_are_accepted() {
        for url in ["127.0.0.1:9090", "ftp://x", "http://x?y", "x y"] {
            assert!(Prometheus::new(url, Duration::from_secs(1)).is_err(), "{url}");
        }
        let prometheus = Prometheus::new("http://127.0.0.1:9090/prom/", Duration::from_secs(1)).unwrap();
        assert_eq!(prometheus.url, "http://127.0.0.1:9090/prom");
    }
}
