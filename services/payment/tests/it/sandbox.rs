//! Starts and controls the card sandbox, and tests its authorization.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use service::{OnFailure, Shell};

/// The API key of every test.
pub(crate) const API_KEY: &str = "test-key";

/// A sandbox in this process.
pub(crate) struct Sandbox {
    pub(crate) url: String,
    client: reqwest::Client,
}

impl Sandbox {
    pub(crate) async fn start(shell: &Shell, api_key_file: &Path) -> Self {
        let listener = shell.bind("http", SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let config = payment::sandbox::Config {
            server: payment::sandbox::ServerConfig { listen: listener.local_addr().unwrap(), drain_timeout_ms: 0 },
            admin: service::config::AdminConfig { listen: listener.local_addr().unwrap() },
            log: service::config::LogConfig::default(),
            telemetry: service::config::TelemetryConfig::default(),
            card: payment::sandbox::CardConfig { api_key_file: api_key_file.to_owned() },
        };
        let serving = shell.clone();
        shell.tasks.spawn("sandbox", OnFailure::Log, async move {
            payment::sandbox::serve(&serving, &config, listener).await
        });
        let client = reqwest::Client::new();
        Self { url, client }
    }

    /// Sets the behaviour of all calls from now on.
    pub(crate) async fn behave(&self, mode: &str) {
        let url = format!("{}/v1/sandbox/behaviour", self.url);
        let body = json!({ "mode": mode, "delayMs": 30_000 });
        let response = self.client.put(url).bearer_auth(API_KEY).json(&body).send().await.unwrap();
        assert!(response.status().is_success());
    }

    /// `(status, captures, refunds, requests)` of a payment; `None` when no charge of it was recorded.
    pub(crate) async fn tally(&self, payment: &str) -> Option<(String, u64, u64, u64)> {
        let url = format!("{}/v1/sandbox/charges/{payment}", self.url);
        let response = self.client.get(url).bearer_auth(API_KEY).send().await.unwrap();
        if response.status() == reqwest::StatusCode::NOT_FOUND {
            return None;
        }
        let tally: Value = response.json().await.unwrap();
        let count = |field: &str| tally[field].as_u64().unwrap();
        Some((tally["status"].as_str().unwrap().to_owned(), count("captures"), count("refunds"), count("requests")))
    }

    /// The number of captures of a payment.
    pub(crate) async fn captures(&self, payment: &str) -> u64 {
        self.tally(payment).await.map_or(0, |(_, captures, _, _)| captures)
    }

    /// A charge that reaches the provider late, without the service.
    pub(crate) async fn charge_late(&self, payment: &str) -> String {
        let body = json!({ "amount": 700, "currency": "USD", "token": "tok_ok", "reference": payment });
        let request = self.client.post(format!("{}/v1/charges", self.url)).bearer_auth(API_KEY);
        let response = request.header("idempotency-key", payment).json(&body).send().await.unwrap();
        let answer: Value = response.json().await.unwrap();
        answer["status"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn only_the_holder_of_the_key_may_call() {
    let shell = Shell::without_admin();
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), API_KEY).unwrap();
    let sandbox = Sandbox::start(&shell, key.path()).await;
    for path in ["/v1/charges/x", "/v1/sandbox/charges/x"] {
        for request in [
            sandbox.client.get(format!("{}{path}", sandbox.url)),
            sandbox.client.get(format!("{}{path}", sandbox.url)).bearer_auth("wrong"),
        ] {
            assert_eq!(request.send().await.unwrap().status(), reqwest::StatusCode::UNAUTHORIZED);
        }
    }
    shell.stop();
}
