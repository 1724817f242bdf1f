//! The endpoints of an upstream, with what keeps them connected, asks after their health, and ejects those that fail.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use service::tls::Tls;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::call::Outcomes;
use crate::config::{EjectionConfig, HealthConfig, UpstreamConfig};
use crate::discovery::{Address, Discovery};
use crate::endpoint::{Buffered, Endpoint, Line, Way};
use crate::health::ask_health;
use crate::pace::Paces;
use crate::pick::Picker;

/// How long requests wait after the last connection is lost: for one to a replica that has just come back, and for
/// replicas that have moved, which takes a lookup in DNS, as often as it is allowed, and a connection.
const FOUND_WITHIN: Duration = Duration::from_secs(2);
/// How often it is looked whether an ejection is over or there is panic.
const LOOK: Duration = Duration::from_secs(1);

/// What all clones of a channel share.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) upstream: &'static str,
    pub(crate) picker: Picker,
    pub(crate) outcomes: Outcomes,
    pub(crate) paces: Paces,
    discovery: Discovery,
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    ejection: EjectionConfig,
    health: HealthConfig,
    slow_start: Duration,
    began: Instant,
    tls: Option<Tls>,
    /// Since when there has been no connection.
    dark_since: Mutex<Option<Instant>>,
    judging: Mutex<()>,
    /// Counts changes of what can be called: a connection that opens or fails, a set that changes.
    changes: watch::Sender<u64>,
}

/// An endpoint with its tasks, which end when it leaves the set.
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
            outcomes: Outcomes::new(upstream),
            paces: Paces::default(),
            dark_since: Mutex::new(Some(Instant::now())),
            judging: Mutex::default(),
            endpoints: ArcSwap::default(),
            ejection: config.ejection,
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

    /// The endpoints of the moment.
    pub(crate) fn endpoints(&self) -> Arc<Vec<Arc<Endpoint>>> {
        self.endpoints.load_full()
    }

    /// Tells when what can be called changes after this.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn health(&self) -> HealthConfig {
        self.health
    }

    /// Until when a request that none of these can take may wait for another connection; none when there is no hope. It
    /// has been tried over the lines that were `passed`: one that is still open is about to be found closed.
    pub(crate) fn waits_until(&self, endpoints: &[Arc<Endpoint>], passed: &[Line]) -> Option<Instant> {
        let now = Instant::now();
        let is_hopeful = |endpoint: &Arc<Endpoint>| {
            let connection = &endpoint.connection;
            connection.is_pending() || (connection.is_open() && passed.contains(&endpoint.line()))
        };
        if endpoints.is_empty() || endpoints.iter().any(is_hopeful) {
            // Whoever asks has less patience than that.
            return Some(now + Duration::from_secs(60));
        }
        self.lost();
        let is_dark = !endpoints.iter().any(|endpoint| endpoint.connection.is_open());
        let since = self.dark_since.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(now);
        is_dark.then(|| since + FOUND_WITHIN)
    }

    /// What can be called has changed.
    pub(crate) fn changed(&self) {
        let endpoints = self.endpoints();
        let is_lit = endpoints.iter().any(|endpoint| endpoint.connection.is_open());
        let was_lit = {
            let mut dark_since = self.dark_since.lock().unwrap_or_else(PoisonError::into_inner);
            let before = *dark_since;
            *dark_since = if is_lit { None } else { before.or_else(|| Some(Instant::now())) };
            before.is_none()
        };
        if was_lit && !is_lit {
            // One that came back while the others served is not known to be there before its pause ends.
            endpoints.iter().for_each(|endpoint| endpoint.connection.hurry());
        }
        self.count();
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// A call could not be sent or broke off: the replica may have moved.
    pub(crate) fn lost(&self) {
        self.discovery.refresh_now();
    }

    /// Keeps the set, its connections and its health up to date until told to stop.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken) -> Result<(), Infallible> {
        let mut tasks = JoinSet::new();
        let mut addresses = self.discovery.addresses();
        // One that came after this pool was made is not missed.
        addresses.mark_changed();
        let mut members: Vec<Member> = Vec::new();
        for endpoint in self.endpoints().iter() {
            members.push(self.join(Arc::clone(endpoint), &mut tasks));
        }
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known = Known::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = addresses.changed() => if changed.is_err() { return Ok(()) },
                // Only endpoints that have left end their tasks.
                Some(_ended) = tasks.join_next() => continue,
                _ = looks.tick() => {
                    known.look(&self);
                    continue;
                }
            }
            let wanted = addresses.borrow_and_update().clone();
            let (before, gone) =
                (members.len(), members.iter().filter(|m| !wanted.contains(&m.endpoint.address)).count());
            members.retain(|member| wanted.contains(&member.endpoint.address));
            for address in wanted.iter() {
                if !members.iter().any(|member| member.endpoint.address == *address) {
                    members.push(self.join(Arc::new(self.new_endpoint(address.clone())), &mut tasks));
                }
            }
            let (upstream, now) = (self.upstream, members.len());
            if gone > 0 || now != before {
                tracing::info!(upstream, before, gone, now, "the replicas changed");
            }
            self.publish(members.iter().map(|member| Arc::clone(&member.endpoint)).collect());
        }
    }

    /// Judges a replica that has just failed: by its failures in a row, when another one has answered since they began,
    /// and by how many more of its calls failed than of those that the others had at the same times. When all fail
    /// alike it is nobody's fault, and nobody is ejected.
    ///
    /// The idea is Envoy's outlier detection. Its deviation from the mean says little with three replicas, one of which
    /// is in the mean itself, so each is compared with the others alone.
    pub(crate) fn judge(&self, endpoint: &Arc<Endpoint>) {
        let all = self.endpoints();
        let others = || all.iter().filter(|other| other.id != endpoint.id);
        let is_well = |other: &Endpoint, since| other.connection.is_open() && other.load.has_answered_since(since);
        let is_worse_in_row = endpoint.load.failures_in_row() >= self.ejection.consecutive_failures
            && endpoint.load.failing_since().is_some_and(|since| others().any(|other| is_well(other, since)));
        let fails_more = || {
            let theirs: Vec<_> = others().map(|other| other.load.recent()).collect();
            let excess = endpoint.load.recent().excess_percent(&theirs, self.ejection.min_calls);
            excess.is_some_and(|excess| excess >= f64::from(self.ejection.excess_percent))
        };
        if !(is_worse_in_row || fails_more()) {
            return;
        }
        // Two that fail at once are judged one after the other.
        let judged = self.judging.lock().unwrap_or_else(PoisonError::into_inner);
        let ejected = all.iter().filter(|other| other.standing.is_ejected()).count();
        let percent = usize::try_from(self.ejection.max_percent).unwrap_or(0);
        let most = if percent == 0 { 0 } else { (all.len() * percent / 100).max(1) };
        if endpoint.standing.is_ejected() || all.len() < 2 || ejected >= most {
            return;
        }
        let why = if is_worse_in_row { "failures_in_row" } else { "failure_share" };
        let time = endpoint.standing.eject(&self.ejection);
        endpoint.load.forgive();
        drop(judged);
        let (upstream, replica) = (self.upstream, &endpoint.address.uri);
        tracing::warn!(upstream, %replica, why, ?time, "a replica is ejected");
        metrics::counter!("balance_ejections_total", "upstream" => upstream, "reason" => why).increment(1);
        self.count();
    }

    fn endpoint(&self, address: Address) -> Arc<Endpoint> {
        Arc::new(self.new_endpoint(address))
    }

    fn new_endpoint(&self, address: Address) -> Endpoint {
        Endpoint::new(address, self.slow_start, self.began)
    }

    fn publish(&self, endpoints: Vec<Arc<Endpoint>>) {
        self.picker.set_changed(&endpoints);
        self.endpoints.store(Arc::new(endpoints));
        self.changed();
    }

    /// Starts the tasks of an endpoint.
    fn join(self: &Arc<Self>, endpoint: Arc<Endpoint>, tasks: &mut JoinSet<()>) -> Member {
        let keep = tasks.spawn(keep_connected(Arc::clone(self), Arc::clone(&endpoint)));
        let ask = tasks.spawn(ask_health(Arc::clone(self), Arc::clone(&endpoint)));
        Member { endpoint, tasks: [keep, ask] }
    }

    /// How many endpoints can be called, and how many there are.
    pub(crate) fn count(&self) {
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

/// What has been said of the states that end by themselves.
#[derive(Debug, Default)]
struct Known {
    ejected: Vec<u64>,
    panics: bool,
}

impl Known {
    fn look(&mut self, pool: &Pool) {
        let (all, upstream) = (pool.endpoints(), pool.upstream);
        for endpoint in all.iter() {
            let was_ejected = self.ejected.contains(&endpoint.id);
            if was_ejected && !endpoint.standing.is_ejected() {
                tracing::info!(upstream, replica = %endpoint.address.uri, "an ejected replica is tried again");
            }
        }
        let ejected = all.iter().filter(|endpoint| endpoint.standing.is_ejected());
        self.ejected = ejected.map(|endpoint| endpoint.id).collect();
        let panics = !all.is_empty() && pool.picker.panics(&all);
        if std::mem::replace(&mut self.panics, panics) != panics {
            tracing::warn!(upstream, panics, "whether too few replicas are available to choose among");
        }
        metrics::gauge!("balance_panic", "upstream" => upstream).set(if panics { 1.0 } else { 0.0 });
        pool.count();
    }
}

/// Keeps an endpoint connected, and says once that it is away and once that it is back.
async fn keep_connected(pool: Arc<Pool>, endpoint: Arc<Endpoint>) {
    let mut states = endpoint.connection.watch();
    let noting = async {
        let (upstream, replica, mut away) = (pool.upstream, &endpoint.address.uri, false);
        while states.changed().await.is_ok() {
            let failure = endpoint.connection.failure();
            states.mark_unchanged();
            if failure.is_some() {
                pool.lost();
            }
            match failure {
                Some(error) if !away => {
                    away = true;
                    let error = &*error as &dyn std::error::Error;
                    tracing::warn!(upstream, %replica, error, "a replica can't be reached");
                }
                None if away && endpoint.connection.is_open() => {
                    away = false;
                    endpoint.standing.warm_up();
                    tracing::info!(upstream, %replica, "the replica can be reached again");
                }
                _ => {}
            }
            pool.changed();
        }
    };
    let way = Way { uri: &endpoint.address.uri, service: pool.upstream, tls: pool.tls.as_ref() };
    tokio::select! {
        () = endpoint.connection.keep(way) => {}
        () = noting => {}
    }
}

/// A request with its body in memory, at most so many bytes.
pub(crate) async fn buffer(
    request: http::Request<tonic::body::Body>,
    most: usize,
) -> Result<Buffered, tower::BoxError> {
    use http_body_util::{BodyExt as _, Limited};
    let (head, body) = request.into_parts();
    let body = Limited::new(body, most).collect().await?.to_bytes();
    Ok(Buffered { head, body })
}
