//! Chooses the replica for a request: first the filters (connected, available, not asked before, zone, load), then the
//! strategy among those that are left.
//!
//! A replica must be connected, and not have refused this very request. Every other filter is dropped if it would leave
//! no replica. Sources: panic threshold and zone overprovisioning from Envoy; power of two choices from Mitzenmacher,
//! with the peak EWMA of Finagle; smooth weighted round robin from nginx; rendezvous hashing from Thaler and
//! Ravishankar.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{Strategy, UpstreamConfig};
use crate::endpoint::{ConnectionId, Endpoint};
use crate::hint::Hint;

/// A replica that is this many times slower than usual, and than the best one, is avoided: requests with a key stay
/// with a busy replica, but not with a broken one.
const LAG_FACTOR: f64 = 30.0;
/// A zone serves all of its own requests while its available part times this is at least 1: Envoy's overprovisioning
/// factor.
const OVERPROVISIONING: f64 = 1.4;

/// Chooses replicas of one upstream.
#[derive(Debug)]
pub(crate) struct Picker {
    strategy: Strategy,
    zone: Option<Arc<str>>,
    panic_percent: usize,
    turn: AtomicUsize,
    /// The current weights of smooth weighted round robin, by endpoint id; of the current set only.
    credit: Mutex<HashMap<u64, f64>>,
}

type Candidates<'a> = Vec<&'a Arc<Endpoint>>;

impl Picker {
    pub(crate) fn new(config: &UpstreamConfig) -> Self {
        Self {
            strategy: config.strategy,
            zone: config.zone.clone(),
            panic_percent: usize::try_from(config.panic_percent).unwrap_or(100),
            turn: AtomicUsize::new(0),
            credit: Mutex::new(HashMap::new()),
        }
    }

    /// A connected replica of `all`, if possible one that no other attempt of the call has asked; never on a connection
    /// in `tried`, which could not take this request.
    pub(crate) fn pick(&self, all: &[Arc<Endpoint>], hint: &Hint, tried: &[ConnectionId]) -> Option<Arc<Endpoint>> {
        let mut open = self.candidates(all);
        open.retain(|endpoint| !tried.contains(&endpoint.connection_id()));
        {
            let asked = hint.asked();
            prefer(&mut open, |endpoint| !asked.contains(&endpoint.id));
        }
        self.prefer_own_zone(&mut open, all);
        prefer(&mut open, |endpoint| !endpoint.load.is_stuck());
        prefer(&mut open, |endpoint| !endpoint.standing.is_overloaded());
        prefer_fast(&mut open);
        self.choose(&open, hint).cloned()
    }

    /// Whether there is a replica that no attempt of this call has asked and that is not overloaded.
    pub(crate) fn has_room(&self, all: &[Arc<Endpoint>], hint: &Hint) -> bool {
        let asked = hint.asked();
        let is_free = |endpoint: &Endpoint| !asked.contains(&endpoint.id) && !endpoint.standing.is_overloaded();
        self.candidates(all).iter().any(|endpoint| is_free(endpoint))
    }

    /// Whether so few are available that all are called, available or not.
    pub(crate) fn panics(&self, all: &[Arc<Endpoint>]) -> bool {
        let available = all.iter().filter(|endpoint| endpoint.is_available()).count();
        available * 100 < all.len() * self.panic_percent
    }

    /// The replicas that are connected and available; in panic mode all that are connected.
    fn candidates<'a>(&self, all: &'a [Arc<Endpoint>]) -> Candidates<'a> {
        let mut open: Candidates<'_> = all.iter().filter(|endpoint| endpoint.connection.is_open()).collect();
        if !self.panics(all) {
            prefer(&mut open, |endpoint| endpoint.standing.is_available());
        }
        open
    }

    /// Forgets endpoints that have left the set.
    pub(crate) fn set_changed(&self, all: &[Arc<Endpoint>]) {
        let mut credit = self.credit.lock().unwrap_or_else(PoisonError::into_inner);
        credit.retain(|id, _| all.iter().any(|endpoint| endpoint.id == *id));
    }

    /// Keeps the replicas of the own zone, except for a part of the requests that grows with the missing part of the
    /// zone.
    fn prefer_own_zone(&self, open: &mut Candidates<'_>, all: &[Arc<Endpoint>]) {
        let Some(zone) = &self.zone else { return };
        let is_own = |endpoint: &Endpoint| endpoint.address.zone.as_ref() == Some(zone);
        let own = all.iter().filter(|endpoint| is_own(endpoint));
        let (mut known, mut available) = (0.0, 0.0);
        for endpoint in own {
            known += 1.0;
            available += f64::from(u8::from(endpoint.is_available()));
        }
        let stays = known > 0.0 && rand::random::<f64>() < available / known * OVERPROVISIONING;
        prefer(open, |endpoint| is_own(endpoint) == stays);
    }

    fn choose<'a>(&self, open: &Candidates<'a>, hint: &Hint) -> Option<&'a Arc<Endpoint>> {
        if let [] | [_] = open.as_slice() {
            return open.first().copied();
        }
        if let Some(key) = &hint.key {
            return highest_score(open, key);
        }
        match (self.strategy, hint.client) {
            (Strategy::IpHash, Some(client)) => highest_score(open, &client.to_string()),
            (Strategy::LeastRequests, _) => least(open, |endpoint| requests(endpoint) / share(endpoint)),
            (Strategy::WeightedRoundRobin, _) => self.in_weighted_turn(open),
            (Strategy::RoundRobin, _) => self.in_turn(open),
            (Strategy::P2cEwma | Strategy::Rendezvous | Strategy::IpHash, _) => two_choices(open),
        }
    }

    /// Round robin. A replica in slow start skips turns in proportion to its missing share.
    fn in_turn<'a>(&self, open: &Candidates<'a>) -> Option<&'a Arc<Endpoint>> {
        let warmest = open.iter().map(|endpoint| endpoint.standing.warmth()).fold(0.0, f64::max);
        for _ in open {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let endpoint = open[turn % open.len()];
            if rand::random::<f64>() * warmest <= endpoint.standing.warmth() {
                return Some(endpoint);
            }
        }
        open.iter().copied().max_by(|one, other| one.standing.warmth().total_cmp(&other.standing.warmth()))
    }

    /// Smooth weighted round robin, as in nginx: each replica is credited its share, the one with the highest credit is
    /// chosen and pays the sum of all shares.
    fn in_weighted_turn<'a>(&self, open: &Candidates<'a>) -> Option<&'a Arc<Endpoint>> {
        let mut credit = self.credit.lock().unwrap_or_else(PoisonError::into_inner);
        let mut total = 0.0;
        for endpoint in open {
            let share = share(endpoint);
            *credit.entry(endpoint.id).or_insert(0.0) += share;
            total += share;
        }
        let of = |endpoint: &Endpoint| credit.get(&endpoint.id).copied().unwrap_or_default();
        let chosen = open.iter().copied().max_by(|one, other| of(one).total_cmp(&of(other)))?;
        *credit.entry(chosen.id).or_insert(0.0) -= total;
        Some(chosen)
    }
}

/// Keeps the preferred replicas, unless there are none. Each is evaluated once, since its state may change meanwhile.
fn prefer(open: &mut Candidates<'_>, mut is_preferred: impl FnMut(&Endpoint) -> bool) {
    let preferred: Candidates<'_> = open.iter().copied().filter(|endpoint| is_preferred(endpoint)).collect();
    if !preferred.is_empty() {
        *open = preferred;
    }
}

/// Avoids replicas that are far slower than the best one.
fn prefer_fast(open: &mut Candidates<'_>) {
    if open.len() < 2 {
        return;
    }
    let best = open.iter().map(|endpoint| endpoint.load.slowness()).fold(f64::INFINITY, f64::min);
    prefer(open, |endpoint| endpoint.load.slowness() <= best.max(1.0) * LAG_FACTOR);
}

/// Rendezvous hashing: the replica with the highest score for the key.
fn highest_score<'a>(open: &Candidates<'a>, key: &str) -> Option<&'a Arc<Endpoint>> {
    open.iter().copied().max_by_key(|endpoint| (endpoint.seed.score(key), Reverse(endpoint.id)))
}

/// Mitzenmacher, "The power of two choices in randomized load balancing", IEEE Transactions on Parallel and Distributed
/// Systems 12(10), 2001. The cost is Finagle's: peak latency times requests in flight, with the latency relative to the
/// baseline of each method.
fn two_choices<'a>(open: &Candidates<'a>) -> Option<&'a Arc<Endpoint>> {
    let one = rand::random_range(0..open.len());
    let other = (one + rand::random_range(1..open.len())) % open.len();
    let cost = |endpoint: &Endpoint| endpoint.load.slowness() * requests(endpoint) / share(endpoint);
    least(&[open[one], open[other]], cost)
}

/// The replica with the lowest cost; of several, one at random.
fn least<'a>(open: &[&'a Arc<Endpoint>], cost: impl Fn(&Endpoint) -> f64) -> Option<&'a Arc<Endpoint>> {
    let start = rand::random_range(0..open.len().max(1));
    let (behind, ahead) = open.split_at(start);
    let costs = ahead.iter().chain(behind).map(|endpoint| (cost(endpoint), *endpoint));
    costs.min_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, endpoint)| endpoint)
}

/// The requests in flight, including the new one.
fn requests(endpoint: &Endpoint) -> f64 {
    f64::from(endpoint.load.in_flight()) + 1.0
}

/// Its share of the calls relative to the others: weight times slow start.
fn share(endpoint: &Endpoint) -> f64 {
    f64::from(endpoint.address.weight.get()) * endpoint.standing.warmth()
}
