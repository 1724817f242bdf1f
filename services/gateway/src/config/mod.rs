//! The gateway's configuration, one struct a concern.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use service::ServiceConfig;
use service::config::{AdminConfig, Endpoints, LogConfig, default_drain_timeout_ms};

/// Everything.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The public port.
    pub http: HttpConfig,
    /// The port for health checks and metrics.
    pub admin: AdminConfig,
    /// What is logged, and how.
    #[serde(default)]
    pub log: LogConfig,
    /// The services behind the gateway.
    pub upstreams: UpstreamsConfig,
    /// How long a request may take.
    #[serde(default)]
    pub deadlines: DeadlinesConfig,
    /// Which replica of the order service places an order.
    #[serde(default)]
    pub placement: PlacementConfig,
    /// Which web pages may call from a browser.
    #[serde(default)]
    pub cors: CorsConfig,
}

impl ServiceConfig for Config {
    fn log(&self) -> &LogConfig {
        &self.log
    }
}

/// `[http]`: the public port.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// The address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Threads that serve; 0, the default, takes one a core.
    #[serde(default)]
    pub workers: usize,
    /// Connections that may wait to be accepted; 2,048 by default.
    #[serde(default = "default_backlog")]
    pub backlog: u32,
    /// Open connections of one worker; more wait. 10,000 by default.
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
    /// How long an idle connection is kept, in ms; 30,000 by default.
    #[serde(default = "default_keep_alive_ms")]
    pub keep_alive_ms: u64,
    /// How long a client may take to send the head of a request, in ms; 5,000 by default. The body has until the
    /// request's deadline.
    #[serde(default = "default_client_request_timeout_ms")]
    pub client_request_timeout_ms: u64,
    /// The largest body that is read, in bytes; 1 MiB by default.
    #[serde(default = "default_body_limit_bytes")]
    pub body_limit_bytes: usize,
    /// How long requests that are under way may take after SIGTERM, in ms; 10,000 by default.
    #[serde(default = "default_drain_timeout_ms")]
    pub drain_timeout_ms: u64,
    /// How many proxies of ours stand in front: the client is that entry of `X-Forwarded-For`, counted from the right.
    /// With 0, the default, it is the peer, and the header is not looked at: anybody can write it.
    #[serde(default)]
    pub trusted_proxy_hops: usize,
    /// `max-age` of `Strict-Transport-Security`, in seconds; 0, the default, sends none. For where TLS ends in front.
    #[serde(default)]
    pub hsts_max_age_seconds: u64,
}

impl HttpConfig {
    /// How long an idle connection is kept.
    pub fn keep_alive(&self) -> Duration {
        Duration::from_millis(self.keep_alive_ms)
    }

    /// How long a client may take to send the head of a request.
    pub fn client_request_timeout(&self) -> Duration {
        Duration::from_millis(self.client_request_timeout_ms)
    }

    /// How long requests that are under way may take after SIGTERM.
    pub fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }
}

/// `[upstreams]`: the replicas of each service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamsConfig {
    /// Users, sessions, keys.
    pub user: Endpoints,
    /// Catalogue and stock.
    pub inventory: Endpoints,
    /// Orders and their payments.
    pub order: Endpoints,
    /// Accounts.
    pub payment: Endpoints,
    /// Statements, and runs of the reconciliation.
    pub reconciliation: Endpoints,
}

/// `[deadlines]`: the time budget of a request, from its first byte to the answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadlinesConfig {
    /// Of most calls, in ms; 5,000 by default.
    pub default_ms: u64,
    /// Of calls that may wait for a payment provider, in ms; 8,000 by default.
    pub payment_ms: u64,
}

impl Default for DeadlinesConfig {
    fn default() -> Self {
        Self { default_ms: 5_000, payment_ms: 8_000 }
    }
}

/// `[placement]`: which replica of the order service places an order.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlacementConfig {
    /// Whether orders of one SKU go to the same replica, which is fastest when many want the same; true by default.
    /// False takes the replicas in turn. Both are equally correct.
    pub affinity: bool,
}

impl Default for PlacementConfig {
    fn default() -> Self {
        Self { affinity: true }
    }
}

/// `[cors]`: which web pages may call from a browser.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorsConfig {
    /// Origins of the form `https://shop.example`, as a list or as one text with commas between them; none by default.
    #[serde(deserialize_with = "origins")]
    pub allowed_origins: Vec<String>,
}

fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Text(String),
        List(Vec<String>),
    }
    let origins = match Form::deserialize(deserializer)? {
        Form::Text(text) => {
            text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
        }
        Form::List(list) => list,
    };
    let is_origin = |text: &String| {
        let Ok(uri) = text.parse::<http::Uri>() else { return false };
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return false;
        };
        *text == format!("{scheme}://{authority}")
    };
    if origins.iter().all(is_origin) {
        Ok(origins)
    } else {
        Err(serde::de::Error::custom("origins must be of the form https://host[:port], without a path"))
    }
}

fn default_backlog() -> u32 {
    2_048
}

fn default_max_connections() -> usize {
    10_000
}

fn default_keep_alive_ms() -> u64 {
    30_000
}

fn default_client_request_timeout_ms() -> u64 {
    5_000
}

fn default_body_limit_bytes() -> usize {
    1024 * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        let parse = |origins: serde_json::Value| {
            serde_json::from_value::<CorsConfig>(serde_json::json!({ "allowed_origins": origins }))
        };
        let list = parse(serde_json::json!(["https://a.example", "http://localhost:8080"])).unwrap();
        let text = parse("https://a.example, http://localhost:8080".into()).unwrap();
        assert_eq!(list.allowed_origins, text.allowed_origins);
        for bad in ["*", "a.example", "https://a.example/", "https://a.example/path", "ftp://a.example"] {
            assert!(parse(bad.into()).is_err(), "{bad}");
        }
    }
}
