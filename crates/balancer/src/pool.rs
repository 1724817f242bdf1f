//! The replicas of an upstream: keeps the set equal to what discovery finds, keeps each replica connected and checked,
//! and tells waiting requests when a replica becomes callable.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use service::tls::Tls;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::baseline::Baselines;
use crate::config::{HealthConfig, UpstreamConfig};
use crate::discovery::{Address, Discovery};
use crate::endpoint::{ConnectionId, Connector, Endpoint};
use crate::health::check_periodically;
use crate::outcomes::OutcomeCounters;
use crate::outlier::OutlierDetector;
use crate::pick::Picker;

/// How long requests wait after the last connection is lost: long enough to reconnect to a replica that restarts, and
/// for replicas that have moved, for a lookup in DNS, as often as it is allowed, and a connection.
const RECONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long a request may wait while a connection is being made; callers have less patience.
const CONNECTING_WITHIN: Duration = Duration::from_secs(60);
/// How often states that end by themselves (ejection, panic) are observed.
const OBSERVE_PERIOD: Duration = Duration::from_secs(1);

/// The state that all clones of a channel share.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) upstream: &'static str,
    pub(crate) picker: Picker,
    pub(crate) outcomes: OutcomeCounters,
    pub(crate) baselines: Baselines,
    discovery: Discovery,
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    outliers: OutlierDetector,
    health: HealthConfig,
    slow_start: Duration,
    began: Instant,
    tls: Option<Tls>,
    /// Since when no replica has been connected.
    disconnected_since: Mutex<Option<Instant>>,
    /// Counts changes of the callable replicas: a connection opens or fails, the set changes.
    changes: watch::Sender<u64>,
}

/// An endpoint with its tasks, which are aborted when it leaves the set.
struct Member {
    endpoint: Arc<Endpoint>,
    tasks: [AbortHandle; 2],
}

impl Drop for Member {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Pool {
    pub(crate) fn new(upstream: &'static str, config: &UpstreamConfig, discovery: Discovery, tls: Option<Tls>) -> Self {
        let pool = Self {
            upstream,
            picker: Picker::new(config),
            outcomes: OutcomeCounters::new(upstream),
            baselines: Baselines::default(),
            disconnected_since: Mutex::new(Some(Instant::now())),
            endpoints: ArcSwap::default(),
            outliers: OutlierDetector::new(upstream, config.ejection),
            health: config.health,
            slow_start: config.slow_start(),
            began: Instant::now(),
            tls,
            changes: watch::Sender::new(0),
            discovery,
        };
        let addresses = pool.discovery.addresses().borrow().clone();
        pool.publish(addresses.iter().map(|address| pool.endpoint(address.clone())).collect());
        pool
    }

    /// The current endpoints.
    pub(crate) fn endpoints(&self) -> Arc<Vec<Arc<Endpoint>>> {
        self.endpoints.load_full()
    }

    /// Notifies of each change of the callable replicas from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Until when a request that none of `endpoints` can take may wait for another connection; `None` if waiting is
    /// pointless. The request was refused on the connections in `tried`: one of them that is still open is about to
    /// close.
    pub(crate) fn waits_until(&self, endpoints: &[Arc<Endpoint>], tried: &[ConnectionId]) -> Option<Instant> {
        let now = Instant::now();
        let may_open = |endpoint: &Arc<Endpoint>| {
            let connection = &endpoint.connection;
            connection.is_pending() || (connection.is_open() && tried.contains(&endpoint.connection_id()))
        };
        if endpoints.is_empty() || endpoints.iter().any(may_open) {
            return Some(now + CONNECTING_WITHIN);
        }
        self.refresh_discovery();
        let is_disconnected = !endpoints.iter().any(|endpoint| endpoint.connection.is_open());
        let since = self.disconnected_since.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(now);
        is_disconnected.then(|| since + RECONNECT_WITHIN)
    }

    /// Notes a change of the callable replicas.
    pub(crate) fn changed(&self) {
        let endpoints = self.endpoints();
        let is_connected = endpoints.iter().any(|endpoint| endpoint.connection.is_open());
        let was_connected = {
            let mut since = self.disconnected_since.lock().unwrap_or_else(PoisonError::into_inner);
            let before = *since;
            *since = if is_connected { None } else { before.or_else(|| Some(Instant::now())) };
            before.is_none()
        };
        if was_connected && !is_connected {
            // A replica may have come back while the others served; without this it is found at the end of its pause.
            endpoints.iter().for_each(|endpoint| endpoint.connection.hurry());
        }
        self.report();
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Looks replicas up again, because a call could not be sent or broke off: the replica may have moved.
    pub(crate) fn refresh_discovery(&self) {
        self.discovery.refresh_now();
    }

    /// Judges a replica that has just failed, and ejects it if it is an outlier.
    pub(crate) fn judge(&self, endpoint: &Endpoint) {
        if self.outliers.judge(endpoint, &self.endpoints()) {
            self.report();
        }
    }

    /// Keeps the set, its connections and its health up to date until `stop` fires.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken) -> Result<(), Infallible> {
        let mut tasks = JoinSet::new();
        let mut addresses = self.discovery.addresses();
        // So that an update since this pool was created is not missed.
        addresses.mark_changed();
        let mut members: Vec<Member> = Vec::new();
        for endpoint in self.endpoints().iter() {
            members.push(self.join(Arc::clone(endpoint), &mut tasks));
        }
        let mut ticks = interval(OBSERVE_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut observed = Observed::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = addresses.changed() => if changed.is_err() { return Ok(()) },
                // Only the tasks of endpoints that have left the set end.
                Some(_ended) = tasks.join_next() => continue,
                _ = ticks.tick() => {
                    observed.update(&self);
                    continue;
                }
            }
            let wanted = addresses.borrow_and_update().clone();
            self.update_members(&mut members, &wanted, &mut tasks);
            self.publish(members.iter().map(|member| Arc::clone(&member.endpoint)).collect());
        }
    }

    /// Removes the members that are not `wanted` and adds those that are missing.
    fn update_members(self: &Arc<Self>, members: &mut Vec<Member>, wanted: &[Address], tasks: &mut JoinSet<()>) {
        let before = members.len();
        members.retain(|member| wanted.contains(&member.endpoint.address));
        let gone = before - members.len();
        for address in wanted {
            if !members.iter().any(|member| member.endpoint.address == *address) {
                members.push(self.join(self.endpoint(address.clone()), tasks));
            }
        }
        let (upstream, now) = (self.upstream, members.len());
        if gone > 0 || now != before {
            tracing::info!(upstream, before, gone, now, "the replicas changed");
        }
    }

    fn endpoint(&self, address: Address) -> Arc<Endpoint> {
        Arc::new(Endpoint::new(address, self.slow_start, self.began))
    }

    fn publish(&self, endpoints: Vec<Arc<Endpoint>>) {
        self.picker.set_changed(&endpoints);
        self.endpoints.store(Arc::new(endpoints));
        self.changed();
    }

    /// Starts the tasks of an endpoint.
    fn join(self: &Arc<Self>, endpoint: Arc<Endpoint>, tasks: &mut JoinSet<()>) -> Member {
        let connect = tasks.spawn(keep_connected(Arc::clone(self), Arc::clone(&endpoint)));
        let pool = Arc::clone(self);
        let on_change = move || pool.report();
        let check = tasks.spawn(check_periodically(self.upstream, Arc::clone(&endpoint), self.health, on_change));
        Member { endpoint, tasks: [connect, check] }
    }

    /// Sets the gauges of known and available endpoints.
    fn report(&self) {
        let all = self.endpoints();
        let available = all.iter().filter(|endpoint| endpoint.is_available()).count();
        let gauge = |state| metrics::gauge!("balance_endpoints", "upstream" => self.upstream, "state" => state);
        #[allow(clippy::cast_precision_loss)] // some thousands
        {
            gauge("available").set(available as f64);
            gauge("known").set(all.len() as f64);
        }
    }
}

/// The last observation of the states that end by themselves, so that each change is logged once.
#[derive(Debug, Default)]
struct Observed {
    ejected: Vec<u64>,
    panics: bool,
}

impl Observed {
    fn update(&mut self, pool: &Pool) {
        let (all, upstream) = (pool.endpoints(), pool.upstream);
        for endpoint in all.iter() {
            let was_ejected = self.ejected.contains(&endpoint.id);
            if was_ejected && !endpoint.standing.is_ejected() {
                tracing::info!(upstream, replica = %endpoint.address.uri, "the ejection of a replica is over");
            }
        }
        let ejected = all.iter().filter(|endpoint| endpoint.standing.is_ejected());
        self.ejected = ejected.map(|endpoint| endpoint.id).collect();
        let panics = !all.is_empty() && pool.picker.panics(&all);
        if std::mem::replace(&mut self.panics, panics) != panics {
            tracing::warn!(upstream, panics, "panic mode changed: too few replicas are available, or enough again");
        }
        metrics::gauge!("balance_panic", "upstream" => upstream).set(if panics { 1.0 } else { 0.0 });
        pool.report();
    }
}

/// Keeps an endpoint connected, and logs when it becomes unreachable and reachable again, once each.
async fn keep_connected(pool: Arc<Pool>, endpoint: Arc<Endpoint>) {
    let mut states = endpoint.connection.watch();
    let observing = async {
        let (upstream, replica, mut is_down) = (pool.upstream, &endpoint.address.uri, false);
        while states.changed().await.is_ok() {
            let failure = endpoint.connection.failure();
            states.mark_unchanged();
            if failure.is_some() {
                pool.refresh_discovery();
            }
            match failure {
                Some(error) if !is_down => {
                    is_down = true;
                    let error = &*error as &dyn std::error::Error;
                    tracing::warn!(upstream, %replica, error, "a replica can't be reached");
                }
                None if is_down && endpoint.connection.is_open() => {
                    is_down = false;
                    endpoint.standing.warm_up();
                    tracing::info!(upstream, %replica, "the replica can be reached again");
                }
                _ => {}
            }
            pool.changed();
        }
    };
    let connector = Connector { uri: &endpoint.address.uri, service: pool.upstream, tls: pool.tls.as_ref() };
    tokio::select! {
        () = endpoint.connection.keep(connector) => {}
        () = observing => {}
    }
}
