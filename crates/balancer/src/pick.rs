//! Which replica gets a request: first who may get it at all, then the strategy among those.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{Strategy, UpstreamConfig};
use crate::endpoint::{Endpoint, Line};
use crate::hint::Hint;

/// A replica that takes so many times longer than usual, and than the best, is called when no other is there: keys stay
/// where they are however busy it is there, but not where something is wrong.
const LAG_TIMES: f64 = 30.0;
/// With so many times its share of endpoints available, a zone still serves all of its own requests; from Envoy's
/// overprovisioning factor.
const OVERPROVISIONING: f64 = 1.4;

/// Chooses replicas of one upstream.
#[derive(Debug)]
pub(crate) struct Picker {
    strategy: Strategy,
    zone: Option<Arc<str>>,
    panic_percent: usize,
    turn: AtomicUsize,
    /// What smooth weighted round robin owes each endpoint, by its id; those of the current set.
    owed: Mutex<HashMap<u64, f64>>,
}

type Candidates<'a> = Vec<&'a Arc<Endpoint>>;

impl Picker {
    pub(crate) fn new(config: &UpstreamConfig) -> Self {
        Self {
            strategy: config.strategy,
            zone: config.zone.clone(),
            panic_percent: usize::try_from(config.panic_percent).unwrap_or(100),
            turn: AtomicUsize::new(0),
            owed: Mutex::new(HashMap::new()),
        }
    }

    /// A replica of `all` that is connected, and not over one of the lines `passed`, which could not take this very
    /// request. Not one that another attempt asked, as long as there is another.
    pub(crate) fn pick(&self, all: &[Arc<Endpoint>], hint: &Hint, passed: &[Line]) -> Option<Arc<Endpoint>> {
        let mut open = self.candidates(all);
        open.retain(|endpoint| !passed.contains(&endpoint.line()));
        {
            let asked = hint.asked();
            prefer(&mut open, |endpoint| !asked.contains(&endpoint.id));
        }
        self.prefer_own_zone(&mut open, all);
        prefer(&mut open, |endpoint| !endpoint.load.is_stuck());
        prefer(&mut open, |endpoint| !endpoint.standing.is_overloaded());
        prefer_prompt(&mut open);
        self.choose(&open, hint).cloned()
    }

    /// Whether there is a replica that no attempt of this call has asked and that is not overloaded.
    pub(crate) fn has_room(&self, all: &[Arc<Endpoint>], hint: &Hint) -> bool {
        let asked = hint.asked();
        let is_free = |endpoint: &Endpoint| !asked.contains(&endpoint.id) && !endpoint.standing.is_overloaded();
        self.candidates(all).iter().any(|endpoint| is_free(endpoint))
    }

    /// Whether so few are available that all are called, whatever is known of them.
    pub(crate) fn panics(&self, all: &[Arc<Endpoint>]) -> bool {
        let available = all.iter().filter(|endpoint| endpoint.is_available()).count();
        available * 100 < all.len() * self.panic_percent
    }

    /// Those that are connected and available.
    fn candidates<'a>(&self, all: &'a [Arc<Endpoint>]) -> Candidates<'a> {
        let mut open: Candidates<'_> = all.iter().filter(|endpoint| endpoint.connection.is_open()).collect();
        if !self.panics(all) {
            prefer(&mut open, |endpoint| endpoint.standing.is_available());
        }
        open
    }

    /// Forgets endpoints that are gone.
    pub(crate) fn set_changed(&self, all: &[Arc<Endpoint>]) {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        owed.retain(|id, _| all.iter().any(|endpoint| endpoint.id == *id));
    }

    /// Keeps those of the own zone, but for a part of the requests: in proportion to what is missing in it.
    fn prefer_own_zone(&self, open: &mut Candidates<'_>, all: &[Arc<Endpoint>]) {
        let Some(zone) = &self.zone else { return };
        let is_own = |endpoint: &Endpoint| endpoint.address.zone.as_ref() == Some(zone);
        let own = all.iter().filter(|endpoint| is_own(endpoint));
        let (mut there, mut well) = (0.0, 0.0);
        for endpoint in own {
            there += 1.0;
            well += f64::from(u8::from(endpoint.is_available()));
        }
        let stays = there > 0.0 && rand::random::<f64>() < well / there * OVERPROVISIONING;
        prefer(open, |endpoint| is_own(endpoint) == stays);
    }

    fn choose<'a>(&self, open: &Candidates<'a>, hint: &Hint) -> Option<&'a Arc<Endpoint>> {
        if let [] | [_] = open.as_slice() {
            return open.first().copied();
        }
        if let Some(key) = &hint.key {
            return ranked(open, key);
        }
        match (self.strategy, hint.client) {
            (Strategy::IpHash, Some(client)) => ranked(open, &client.to_string()),
            (Strategy::LeastRequests, _) => least(open, |endpoint| requests(endpoint) / share(endpoint)),
            (Strategy::WeightedRoundRobin, _) => self.in_weighted_turn(open),
            (Strategy::RoundRobin, _) => self.in_turn(open),
            (Strategy::P2cEwma | Strategy::Rendezvous | Strategy::IpHash, _) => two_choices(open),
        }
    }

    /// Each in turn; one that is warming up lets its turn pass more often than not.
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

    /// Smooth weighted round robin, as nginx does it: each is owed its share, and who is owed most is called.
    fn in_weighted_turn<'a>(&self, open: &Candidates<'a>) -> Option<&'a Arc<Endpoint>> {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut total = 0.0;
        for endpoint in open {
            let share = share(endpoint);
            *owed.entry(endpoint.id).or_insert(0.0) += share;
            total += share;
        }
        let of = |endpoint: &Endpoint| owed.get(&endpoint.id).copied().unwrap_or_default();
        let chosen = open.iter().copied().max_by(|one, other| of(one).total_cmp(&of(other)))?;
        *owed.entry(chosen.id).or_insert(0.0) -= total;
        Some(chosen)
    }
}

/// Keeps those that are wished for, unless there are none. Each is asked once: the answer may change from one moment to
/// the next.
fn prefer(open: &mut Candidates<'_>, mut is_wished: impl FnMut(&Endpoint) -> bool) {
    let wished: Candidates<'_> = open.iter().copied().filter(|endpoint| is_wished(endpoint)).collect();
    if !wished.is_empty() {
        *open = wished;
    }
}

fn prefer_prompt(open: &mut Candidates<'_>) {
    if open.len() < 2 {
        return;
    }
    let best = open.iter().map(|endpoint| endpoint.load.slowness()).fold(f64::INFINITY, f64::min);
    prefer(open, |endpoint| endpoint.load.slowness() <= best.max(1.0) * LAG_TIMES);
}

/// Rendezvous hashing: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM
/// Transactions on Networking 6(1), 1998. Every process that knows the same replicas chooses the same one, however they
/// are listed, and one that comes or goes moves only the keys that it gets or had.
fn ranked<'a>(open: &Candidates<'a>, key: &str) -> Option<&'a Arc<Endpoint>> {
    open.iter().copied().max_by_key(|endpoint| (endpoint.seed.score(key), Reverse(endpoint.id)))
}

/// Mitzenmacher, "The power of two choices in randomized load balancing", IEEE Transactions on Parallel and Distributed
/// Systems 12(10), 2001; by Finagle's cost of peak latency times requests in flight, the
/// latency being that beside what is usual for each method.
fn two_choices<'a>(open: &Candidates<'a>) -> Option<&'a Arc<Endpoint>> {
    let one = rand::random_range(0..open.len());
    let other = (one + rand::random_range(1..open.len())) % open.len();
    let cost = |endpoint: &Endpoint| endpoint.load.slowness() * requests(endpoint) / share(endpoint);
    least(&[open[one], open[other]], cost)
}

/// The one with the lowest cost; any of several.
fn least<'a>(open: &[&'a Arc<Endpoint>], cost: impl Fn(&Endpoint) -> f64) -> Option<&'a Arc<Endpoint>> {
    let start = rand::random_range(0..open.len().max(1));
    let (behind, ahead) = open.split_at(start);
    let costs = ahead.iter().chain(behind).map(|endpoint| (cost(endpoint), *endpoint));
    costs.min_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, endpoint)| endpoint)
}

/// The requests in flight with the one to come.
fn requests(endpoint: &Endpoint) -> f64 {
    f64::from(endpoint.load.in_flight()) + 1.0
}

/// What part of the calls it should get beside the others.
fn share(endpoint: &Endpoint) -> f64 {
    f64::from(endpoint.address.weight.get()) * endpoint.standing.warmth()
}
