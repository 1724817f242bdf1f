//! Callers of an upstream, and the outcomes of their calls.

use std::time::Duration;

use balancer::{Ask, Upstream, UpstreamConfig};
use envelope::Error;
use serde_json::{Value, json};
use service::tls::Tls;
use service::{RequestContext, Shell};
use tokio::time::Instant;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::replica::{CALL, Replica};

/// How long a call may take.
const BUDGET: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_secs(30);

/// An upstream under test. Its tasks end with it.
pub(crate) struct Callers {
    pub(crate) upstream: Upstream,
    shell: Shell,
}

impl Callers {
    /// Calls these replicas. `settings` override the defaults; slow start and hedging are off unless set.
    pub(crate) fn of(replicas: &[&Replica], settings: Value) -> Self {
        let urls: Vec<String> = replicas.iter().map(|replica| replica.url()).collect();
        Self::to(json!(urls), settings)
    }

    pub(crate) fn to(endpoints: Value, settings: Value) -> Self {
        Self::of_service("test", endpoints, settings, None)
    }

    /// With mutual TLS, the replicas must prove to be this service.
    pub(crate) fn of_service(service: &'static str, endpoints: Value, settings: Value, tls: Option<Tls>) -> Self {
        let mut table =
            json!({ "endpoints": endpoints, "slow_start_ms": 0, "retry": { "budget_floor_per_second": 1_000 } });
        for (name, setting) in settings.as_object().unwrap() {
            table[name] = setting.clone();
        }
        let config: UpstreamConfig = serde_json::from_value(table).unwrap();
        let mut shell = Shell::without_admin();
        shell.tls = tls;
        Self { upstream: Upstream::start(service, &config, &shell), shell }
    }

    /// Waits until each of these has been called.
    pub(crate) async fn until_all_are_called(&self, replicas: &[&Replica]) {
        let before: Vec<_> = replicas.iter().map(|replica| replica.calls()).collect();
        until("each replica is called", async || {
            self.call(Ask::idempotent()).await.unwrap();
            replicas.iter().zip(&before).all(|(replica, before)| replica.calls() > *before)
        })
        .await;
    }

    pub(crate) async fn call(&self, how: Ask<'_>) -> Result<(), Error> {
        let context =
            RequestContext { client_address: Some([192, 0, 2, 7].into()), ..RequestContext::internal(BUDGET) };
        let message = HealthCheckRequest { service: CALL.to_owned() };
        let answer = self.upstream.ask(&context, message, how, |channel, request| async move {
            HealthClient::new(channel).check(request).await
        });
        answer.await.map(drop)
    }

    /// Makes `count` calls, `at_once` concurrently, and returns their latencies and errors.
    pub(crate) async fn calls(&self, how: Ask<'_>, count: usize, at_once: usize) -> (Vec<Duration>, Vec<Error>) {
        use futures::StreamExt as _;
        let calls = futures::stream::iter(0..count).map(|_| async {
            let began = Instant::now();
            (self.call(how).await, began.elapsed())
        });
        let ended: Vec<_> = calls.buffer_unordered(at_once).collect().await;
        let took = ended.iter().map(|(_, took)| *took).collect();
        (took, ended.into_iter().filter_map(|(result, _)| result.err()).collect())
    }
}

impl Callers {
    /// Makes calls, `at_once` concurrently, until `work` is done; returns their number and errors.
    pub(crate) async fn calls_during(
        &self,
        how: Ask<'_>,
        at_once: usize,
        work: impl Future<Output = ()>,
    ) -> (usize, Vec<Error>) {
        let is_done = std::cell::Cell::new(false);
        let calling = async {
            let (mut made, mut errors) = (0, Vec::new());
            while !is_done.get() {
                let (took, failed) = self.calls(how, 10 * at_once, at_once).await;
                made += took.len();
                errors.extend(failed);
            }
            (made, errors)
        };
        let working = async {
            work.await;
            is_done.set(true);
        };
        tokio::join!(calling, working).0
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        self.shell.tasks.stop_signal().cancel();
    }
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
