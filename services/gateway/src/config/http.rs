//! `[http]`

use std::net::SocketAddr;
use std::time::Duration;

use resilience::within;
use serde::Deserialize;
use service::config::default_drain_timeout_ms;

/// `[http]`: the public port.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// The address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Worker threads, up to 1,024; 0, the default, starts one for each core.
    #[serde(default, deserialize_with = "within::<0, 1_024, _, _>")]
    pub workers: usize,
    /// Connections that may wait to be accepted; 2,048 by default, from 1 to 65,535.
    #[serde(default = "default_backlog", deserialize_with = "within::<1, 65_535, _, _>")]
    pub backlog: u32,
    /// The most open connections of a worker; more wait. 10,000 by default, from 1 to 1,000,000.
    #[serde(default = "default_max_connections", deserialize_with = "within::<1, 1_000_000, _, _>")]
    pub max_connections: usize,
    /// How long an idle connection is kept, in ms; 30,000 by default, from 1,000 to 3,600,000.
    #[serde(default = "default_keep_alive_ms", deserialize_with = "within::<1_000, 3_600_000, _, _>")]
    pub keep_alive_ms: u64,
    /// How long a client may take to send the head of a request, in ms; 5,000 by default, from 1 to 60,000. The body
    /// has until the request's deadline.
    #[serde(default = "default_client_request_timeout_ms", deserialize_with = "within::<1, 60_000, _, _>")]
    pub client_request_timeout_ms: u64,
    /// The largest accepted body, in bytes; 1 MiB by default, at most 16 MiB.
    #[serde(default = "default_body_limit_bytes", deserialize_with = "within::<1, 16_777_216, _, _>")]
    pub body_limit_bytes: usize,
    /// How long requests in flight may take after SIGTERM, in ms; 10,000 by default, up to 600,000.
    #[serde(default = "default_drain_timeout_ms", deserialize_with = "within::<0, 600_000, _, _>")]
    pub drain_timeout_ms: u64,
    /// The number of trusted proxies in front, up to 16: the client is that entry of `X-Forwarded-For`, counted from
    /// the right. With 0, the default, the client is the peer, and the header is ignored, since anyone can set it.
    /// Clients without a token are rate limited by this address.
    #[serde(default, deserialize_with = "within::<0, 16, _, _>")]
    pub trusted_proxy_hops: usize,
    /// `max-age` of `Strict-Transport-Security`, in seconds; 0, the default, sends no header. For deployments behind a
    /// TLS proxy.
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

    /// How long requests in flight may take after SIGTERM.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_out_of_bounds_do_not_load() {
        let load = |field: &str, value: u64| {
            serde_json::from_value::<HttpConfig>(json!({ "listen": "127.0.0.1:0", field: value }))
        };
        for (field, least, most) in [
            ("workers", 0, 1_024),
            ("backlog", 1, 65_535),
            ("max_connections", 1, 1_000_000),
            ("keep_alive_ms", 1_000, 3_600_000),
            ("client_request_timeout_ms", 1, 60_000),
            ("body_limit_bytes", 1, 16 * 1_024 * 1_024),
            ("drain_timeout_ms", 0, 600_000),
            ("trusted_proxy_hops", 0, 16),
        ] {
            assert!(load(field, least).is_ok() && load(field, most).is_ok(), "{field}");
            assert!(load(field, most + 1).is_err(), "{field}");
            assert!(least == 0 || load(field, least - 1).is_err(), "{field}");
        }
    }
}
