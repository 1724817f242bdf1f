//! The replicas of another service: which of them to ask, in turn or by a key, and which to leave alone for a moment.

mod connect;
mod rank;
mod rest;

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tonic::transport::Channel;

use crate::config::Endpoints;
use rank::Seed;
use rest::Rest;

/// The replicas of a service. Connections are made when first used and again when lost, so nothing depends on start
/// order. A replica that can't be reached, or that said it is overloaded, rests for a moment: it is put behind the
/// others, and asked only when all of them rest. Cheap to clone; clones share what they learn.
#[derive(Debug, Clone)]
pub struct Upstream {
    replicas: Arc<[Replica]>,
    turn: Arc<AtomicUsize>,
}

impl Upstream {
    /// For these replicas.
    pub fn new(endpoints: &Endpoints) -> Self {
        Self { replicas: endpoints.uris().iter().map(Replica::new).collect(), turn: Arc::default() }
    }

    /// The next replica, in turn.
    pub fn channel(&self) -> Channel {
        self.in_turn()[0].channel()
    }

    /// All replicas, at least one: the next in turn first, those that rest last.
    pub fn in_turn(&self) -> Vec<&Replica> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.replicas.len();
        let (past, next) = self.replicas.split_at(turn);
        resting_last(next.iter().chain(past))
    }

    /// All replicas, at least one, in the order in which they should have what belongs to `key`, those that rest last.
    /// Every process that knows the same replicas gives the same order, however they are listed.
    ///
    /// Rendezvous hashing: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM
    /// Transactions on Networking 6(1), 1998. A replica that comes or goes moves only the keys that it gets or had.
    pub fn ranked(&self, key: &str) -> Vec<&Replica> {
        let mut replicas: Vec<_> = self.replicas.iter().collect();
        replicas.sort_by_cached_key(|replica| Reverse(replica.seed.score(key)));
        resting_last(replicas)
    }
}

fn resting_last<'a>(replicas: impl IntoIterator<Item = &'a Replica>) -> Vec<&'a Replica> {
    let (resting, mut ordered): (Vec<_>, Vec<_>) =
        replicas.into_iter().partition(|replica| replica.is_resting());
    ordered.extend(resting);
    ordered
}

/// One replica of a service.
#[derive(Debug)]
pub struct Replica {
    seed: Seed,
    rest: Arc<Rest>,
    channel: Channel,
}

impl Replica {
    fn new(uri: &http::Uri) -> Self {
        let rest = Arc::new(Rest::default());
        Self { seed: Seed::of(&uri.to_string()), channel: connect::lazily(uri, &rest), rest }
    }

    /// The way to it, for one call.
    pub fn channel(&self) -> Channel {
        self.rest.trying();
        self.channel.clone()
    }

    /// Whether others should be asked rather than this one.
    pub fn is_resting(&self) -> bool {
        self.rest.is_on()
    }

    /// To be called when it answered that it is overloaded.
    pub fn overloaded(&self) {
        self.rest.overloaded();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize as _;
    use serde::de::value::{Error, StringDeserializer};
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    use super::*;

    fn upstream(uris: &[&str]) -> Upstream {
        let list = StringDeserializer::<Error>::new(uris.join(","));
        Upstream::new(&Endpoints::deserialize(list).unwrap())
    }

    fn position(upstream: &Upstream, replica: &Replica) -> usize {
        upstream.replicas.iter().position(|other| std::ptr::eq(other, replica)).unwrap()
    }

    fn positions(upstream: &Upstream, replicas: &[&Replica]) -> Vec<usize> {
        replicas.iter().map(|replica| position(upstream, replica)).collect()
    }

    #[tokio::test]
    async fn a_key_has_the_same_order_however_the_replicas_are_listed() {
        let uris = ["http://order-0:1", "http://order-1:1", "http://order-2:1"];
        let one = upstream(&uris);
        let other = upstream(&[uris[2], uris[0], uris[1]]);
        for number in 0..1_000 {
            let key = format!("SKU-{number}");
            let moved: Vec<_> =
                positions(&other, &other.ranked(&key)).into_iter().map(|index| [2, 0, 1][index]).collect();
            assert_eq!(positions(&one, &one.ranked(&key)), moved, "{key}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_fair_and_pass_over_those_that_rest() {
        let upstream = upstream(&["http://a:1", "http://b:1", "http://c:1"]);
        let first = || position(&upstream, upstream.in_turn()[0]);
        assert_eq!([first(), first(), first(), first()], [0, 1, 2, 0]);
        upstream.replicas[1].overloaded();
        let mut taken = HashMap::new();
        for _ in 0..6 {
            *taken.entry(first()).or_insert(0) += 1;
            assert_eq!(position(&upstream, upstream.in_turn()[2]), 1);
        }
        assert_eq!(taken.get(&1), None);
        tokio::time::advance(rest::OVERLOADED).await;
        assert!((0..3).any(|_| first() == 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_goes_to_its_second_choice_while_its_first_rests_and_comes_back() {
        let upstream = upstream(&["http://a:1", "http://b:1", "http://c:1"]);
        let order = positions(&upstream, &upstream.ranked("tea"));
        upstream.replicas[order[0]].overloaded();
        assert_eq!(positions(&upstream, &upstream.ranked("tea")), [order[1], order[2], order[0]]);
        // When all rest, the order is the key's own again: somebody must be asked.
        upstream.replicas[order[1]].overloaded();
        upstream.replicas[order[2]].overloaded();
        assert_eq!(positions(&upstream, &upstream.ranked("tea")), order);
        tokio::time::advance(rest::OVERLOADED).await;
        assert_eq!(positions(&upstream, &upstream.ranked("tea")), order);
        assert!(!upstream.replicas.iter().any(Replica::is_resting));
    }

    #[tokio::test]
    async fn a_replica_that_refuses_connections_rests_and_is_asked_no_more() {
        let ports = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let uris = ports.each_ref().map(|port| format!("http://{}", port.local_addr().unwrap()));
        let upstream = upstream(&[&uris[0], &uris[1]]);
        drop(ports);
        let mut client = HealthClient::new(upstream.channel());
        let status = client.check(HealthCheckRequest::default()).await.unwrap_err();
        assert!(envelope::is_unanswered(&status), "{status:?}");
        assert!(upstream.replicas[0].is_resting() && !upstream.replicas[1].is_resting());
        assert_eq!(positions(&upstream, &upstream.in_turn()), [1, 0]);
        assert_eq!(positions(&upstream, &upstream.in_turn()), [1, 0]);
    }
}
