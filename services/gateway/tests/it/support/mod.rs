//! A gateway per test, and its client.

pub(crate) mod fake;
pub(crate) mod raw;
pub(crate) mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use service::{OnFailure, Shell};
use tokio::net::TcpListener;

pub(crate) use fake::Fake;

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) fake: Arc<Fake>,
    pub(crate) shell: Shell,
    pub(crate) client: Client,
}

impl Gateway {
    /// Starts a gateway with keys, ready to serve.
    pub(crate) async fn start() -> Self {
        Self::start_with(json!({})).await
    }

    /// Starts a gateway with these changes of the configuration.
    pub(crate) async fn start_with(changes: Value) -> Self {
        let gateway = Self::start_unready(changes, Fake::new(tokens::jwks())).await;
        gateway.wait_until(|shell| shell.readiness.conditions().get("token_keys") == Some(&true)).await;
        gateway
    }

    pub(crate) async fn start_unready(changes: Value, fake: Arc<Fake>) -> Self {
        let shell = Shell::without_admin();
        let upstream = format!("http://{}", fake::serve(&shell, Arc::clone(&fake)).await);
        let mut config = json!({
            "http": { "listen": "127.0.0.1:0", "workers": 1 },
            "admin": { "listen": "127.0.0.1:0" },
            // Changes behind the gateway must be visible at once.
            "cache": { "fresh_ms": 0 },
            "upstreams": {
                "user": upstream, "inventory": upstream, "order": upstream, "payment": upstream,
                "reconciliation": upstream,
            },
        });
        for (section, values) in changes.as_object().unwrap() {
            for (key, value) in values.as_object().unwrap() {
                config[section][key] = value.clone();
            }
        }
        // Allows changing how a service is called without repeating its address.
        for table in config["upstreams"].as_object_mut().unwrap().values_mut().filter_map(Value::as_object_mut) {
            table.entry("endpoints").or_insert_with(|| upstream.as_str().into());
        }
        let config: gateway::Config = serde_json::from_value(config).unwrap();
        let listener = TcpListener::bind(config.http.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (own, config) = (shell.clone(), Arc::new(config));
        shell.tasks.spawn("gateway", OnFailure::Stop, async move { gateway::serve(&own, &config, listener).await });
        let client = Client::builder().timeout(PATIENCE).build().unwrap();
        Self { address, fake, shell, client }
    }

    pub(crate) async fn wait_until(&self, holds: impl Fn(&Shell) -> bool) {
        let waiting = async {
            while !holds(&self.shell) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("it did not come about");
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request("GET", path)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request("POST", path).json(body)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shell.stop();
        self.shell.tasks.stop_signal().cancel();
    }
}

/// Checks that a failure is a complete envelope with this reason, and returns it.
pub(crate) async fn failure(response: Response, reason: ::envelope::Reason) -> Value {
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    assert_eq!(status, reason.http_status(), "{text}");
    assert_eq!(headers["content-type"], "application/json", "{text}");
    assert_eq!(headers["cache-control"], "no-store", "{text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["reason"], reason.name(), "{text}");
    assert_eq!(body["code"], reason.code(), "{text}");
    assert_eq!(body["requestId"], headers["x-request-id"].to_str().unwrap(), "{text}");
    assert!(body["message"].is_string() && body["details"].is_array(), "{text}");
    assert_eq!(body.as_object().unwrap().len(), 5, "{text}");
    body
}

/// The fields that a failure's details name.
pub(crate) fn fields(failure: &Value) -> Vec<&str> {
    failure["details"].as_array().unwrap().iter().filter_map(|detail| detail["field"].as_str()).collect()
}
