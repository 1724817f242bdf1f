//! The calls of the REST API that a replay needs.

use std::time::Duration;

use envelope::Reason;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::Value;

use super::answer::{Answer, CallError, Step};
use crate::backoff::backoff;

/// How long one request may take.
const REQUEST_BOUND: Duration = Duration::from_secs(10);
const CONNECT_BOUND: Duration = Duration::from_secs(2);
/// The largest answer that is read.
const ANSWER_LIMIT_BYTES: usize = 1024 * 1024;

/// How often a request is attempted, and the waits in between: as long as the answer asks for, up to a limit, and at
/// least the backoff.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) attempts: usize,
    pub(super) first_wait: Duration,
    pub(super) longest_wait: Duration,
}

impl Patience {
    /// The backoff between the attempts.
    pub(super) fn waits(self) -> impl Iterator<Item = Duration> {
        backoff(self.first_wait, self.longest_wait).take(self.attempts.saturating_sub(1))
    }

    /// The wait before the next attempt, given what the answer asks for.
    pub(super) fn wait(self, backoff: Duration, asked_for: Duration) -> Duration {
        backoff.max(asked_for.min(self.longest_wait))
    }
}

/// The REST API behind a gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Api {
    http: Client,
    base: String,
}

impl Api {
    /// Keeps up to `connections` alive; none is opened yet.
    pub(super) fn new(gateway: &str, connections: usize) -> anyhow::Result<Self> {
        let http = Client::builder()
            .timeout(REQUEST_BOUND)
            .connect_timeout(CONNECT_BOUND)
            .pool_max_idle_per_host(connections)
            .tcp_nodelay(true)
            .redirect(Policy::none())
            .build()?;
        Ok(Self { http, base: format!("{}/api/v1", gateway.trim_end_matches('/')) })
    }

    /// Posts once.
    pub(super) async fn post(
        &self,
        path: &str,
        token: Option<&str>,
        idempotency_key: Option<&str>,
        body: &Value,
    ) -> Result<Answer, CallError> {
        let mut request = self.http.post(format!("{}{path}", self.base)).json(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        read(request.send().await?).await
    }

    /// Posts without a token, with retries.
    pub(super) async fn post_patiently(
        &self,
        path: &str,
        body: &Value,
        patience: Patience,
    ) -> Result<Answer, CallError> {
        let mut waits = patience.waits();
        loop {
            let answered = self.post(path, None, None, body).await;
            match (Step::after(&answered), waits.next()) {
                (Step::Retry(asked_for), Some(backoff)) => {
                    tokio::time::sleep(patience.wait(backoff, asked_for)).await;
                }
                _ => return answered,
            }
        }
    }
}

async fn read(mut response: Response) -> Result<Answer, CallError> {
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let replayed = response.headers().get("Idempotent-Replayed").is_some_and(|value| value == "true");
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if text.len() + chunk.len() > ANSWER_LIMIT_BYTES {
            return Err(CallError::TooLarge);
        }
        text.extend_from_slice(&chunk);
    }
    // An answer without an envelope, from a proxy for example, is described by its status.
    let mut body: Value = serde_json::from_slice(&text).unwrap_or_default();
    let reason = body.get("reason").and_then(Value::as_str).and_then(Reason::from_name);
    let data = body.get_mut("data").map(Value::take).unwrap_or_default();
    Ok(Answer { status, reason, retry_after, replayed, data })
}

/// The number of seconds; the gateway does not use the form with a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_what_the_answer_asks_for_within_bounds() {
        let patience =
            Patience { attempts: 3, first_wait: Duration::from_millis(10), longest_wait: Duration::from_secs(2) };
        assert_eq!(patience.waits().count(), 2);
        let wait = |asked_for| patience.wait(Duration::from_millis(20), Duration::from_millis(asked_for));
        assert_eq!(wait(0), Duration::from_millis(20));
        assert_eq!(wait(1_000), Duration::from_secs(1));
        assert_eq!(wait(60_000), Duration::from_secs(2));
    }
}
