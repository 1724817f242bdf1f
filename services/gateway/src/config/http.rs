//! `[http]`

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use service::config::default_drain_timeout_ms;

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
    /// With 0, the default, it is the peer, and the header is not looked at: anybody can write it. Rate limits of
    /// clients without a token go by this address.
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
