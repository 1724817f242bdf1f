//! Channels to the replicas of another service, used in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::config::Endpoints;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Pings find a peer that is gone without a word.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);

/// The replicas of a service. Connections are made when first used and again when lost, so nothing depends on start
/// order. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Upstream {
    channels: Arc<[Channel]>,
    turn: Arc<AtomicUsize>,
}

impl Upstream {
    /// For these replicas.
    pub fn new(endpoints: &Endpoints) -> Self {
        let connect = |uri: &http::Uri| {
            Endpoint::from(uri.clone())
                .connect_timeout(CONNECT_TIMEOUT)
                .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
                .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
                .tcp_nodelay(true)
                .connect_lazy()
        };
        Self { channels: endpoints.uris().iter().map(connect).collect(), turn: Arc::default() }
    }

    /// The next replica, in turn.
    pub fn channel(&self) -> Channel {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.channels[turn % self.channels.len()].clone()
    }
}
