//! Service discovery: from the configured targets of an upstream to a set of addresses that can be watched.
//!
//! Addresses stay until a lookup finds others. DNS that does not answer, fails, or suddenly has no records is far more
//! often broken than right, and a dead address costs little: connections and health checks detect it. An upstream that
//! is scaled to zero therefore keeps its last addresses, unreachable, until it comes back. They count as replicas for
//! panic mode and for the bound of ejections.
//!
//! Bounds: 1,024 targets and `max_endpoints` addresses an upstream; each name is looked up at most every
//! `min_refresh_ms`.

mod config;
mod dns;
mod host;
mod replica_set;
mod resolver;
mod target;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use service::{OnFailure, Tasks};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

pub use config::DnsConfig;
use dns::LookupError;
use replica_set::ReplicaSet;
use resolver::{Resolution, Resolver};
use target::Target;
pub use target::{Address, TargetError, Targets};

/// The known replicas of one upstream. Clones share everything; lookups end when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Discovery {
    replicas: Arc<ReplicaSet>,
    refreshes: Arc<watch::Sender<()>>,
}

impl Discovery {
    /// Starts discovery for `upstream`. Fixed targets are in the set at once. Each other target has a task
    /// (`discovery`) that looks it up now, whenever its records expire, and on [`Self::refresh_now`]. A panic in it
    /// shuts the process down gracefully: without discovery it would work only until its replicas move.
    pub fn start(upstream: &'static str, targets: &Targets, config: &DnsConfig, tasks: &Tasks) -> Self {
        let fixed = targets.iter().map(|target| target.fixed().into_iter().collect()).collect();
        let replicas = Arc::new(ReplicaSet::new(upstream, fixed, config.max_endpoints));
        let refreshes = Arc::new(watch::Sender::new(()));
        for (position, target) in targets.iter().enumerate().filter(|(_, target)| target.fixed().is_none()) {
            let lookups = Lookups {
                upstream,
                target: target.clone(),
                position,
                config: config.clone(),
                resolver: Resolver::new(target.clone(), config.clone()),
                refreshes: refreshes.subscribe(),
                replicas: Arc::clone(&replicas),
                is_failing: false,
            };
            let stop = tasks.stop_signal();
            tasks.spawn("discovery", OnFailure::Stop, async move {
                let _stopped = stop.run_until_cancelled(lookups.run()).await;
                Ok::<(), Infallible>(())
            });
        }
        Self { replicas, refreshes }
    }

    /// The set of replicas, now and whenever it changes: sorted by URI, each URI once. Empty until the first is found.
    pub fn addresses(&self) -> watch::Receiver<Arc<[Address]>> {
        self.replicas.watch()
    }

    /// Requests a lookup, because a replica can't be reached and may have moved. Never blocks. The lookup starts at
    /// once, or `min_refresh_ms` after the start of the last one; all requests until then share it.
    pub fn refresh_now(&self) {
        self.refreshes.send_replace(());
    }
}

/// The repeated lookups of one target.
struct Lookups {
    upstream: &'static str,
    target: Target,
    /// The position of the target among those of the upstream.
    position: usize,
    config: DnsConfig,
    resolver: Resolver,
    refreshes: watch::Receiver<()>,
    replicas: Arc<ReplicaSet>,
    is_failing: bool,
}

impl Lookups {
    /// Ends when all [`Discovery`] handles are gone.
    async fn run(mut self) {
        loop {
            // This lookup serves the requests before it. A later request may follow a newer failure.
            self.refreshes.mark_unchanged();
            let next = Instant::now() + self.config.min_refresh();
            let result = self.resolver.resolve().await;
            let pause = self.publish(result);
            tokio::select! {
                () = sleep_until(Instant::now() + pause) => {}
                requested = self.refreshes.changed() => if requested.is_err() { return },
            }
            sleep_until(next).await;
        }
    }

    /// Publishes a result, and returns the pause before the next lookup.
    fn publish(&mut self, result: Result<Resolution, LookupError>) -> Duration {
        let (pause, failure) = match result {
            Ok(Resolution { addresses, ttl, failure }) => {
                self.replicas.publish(self.position, addresses);
                (self.config.lifetime(ttl), failure)
            }
            Err(error) => (self.config.failure_retry(), Some(error)),
        };
        let (upstream, target) = (self.upstream, &self.target.source);
        let was_failing = std::mem::replace(&mut self.is_failing, failure.is_some());
        let Some(error) = failure else {
            if was_failing {
                tracing::info!(upstream, ?target, "DNS answers again");
            }
            return pause;
        };
        metrics::counter!("balance_discovery_failures_total", "upstream" => upstream).increment(1);
        if !was_failing {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(upstream, ?target, error, "a lookup failed; the last known addresses stay in use");
        }
        pause.min(self.config.failure_retry())
    }
}
