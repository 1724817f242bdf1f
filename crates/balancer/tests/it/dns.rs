//! Discovery against a name server that changes its records, fails, or does not answer.

use std::sync::Arc;
use std::time::Duration;

use balancer::discovery::{Address, Discovery, DnsConfig, Targets};
use hickory_resolver::proto::rr::RecordType::{self, A, AAAA, SRV};
use serde_json::{Value, json};
use service::Tasks;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::support::dns_server::{DnsServer, Mood, Service};

const NAME: &str = "order.shop.test.";
const TARGET: &str = "dns://order.shop.test.:7003";
const SERVICE: &str = "_grpc._tcp.order.shop.test.";
const FOR_LONG: u32 = 3_600;
const DEADLINE: Duration = Duration::from_secs(10);

/// A discovery under test.
struct Search {
    discovery: Discovery,
    set: watch::Receiver<Arc<[Address]>>,
    tasks: Tasks,
}

impl Search {
    fn start(targets: Value, config: &DnsConfig) -> Self {
        let targets: Targets = serde_json::from_value(targets).unwrap();
        let tasks = Tasks::new(CancellationToken::new());
        let discovery = Discovery::start("order", &targets, config, &tasks);
        Self { set: discovery.addresses(), discovery, tasks }
    }

    /// Waits until the set equals `expected`.
    async fn until(&mut self, expected: &[&str]) {
        let is_it = |set: &Arc<[Address]>| uris(set) == expected;
        let waited = timeout(DEADLINE, self.set.wait_for(is_it)).await.is_ok();
        assert!(waited, "not {expected:?} but {:?}", self.uris());
    }

    fn uris(&self) -> Vec<String> {
        uris(&self.set.borrow())
    }
}

fn uris(set: &Arc<[Address]>) -> Vec<String> {
    set.iter().map(|address| address.uri.to_string()).collect()
}

/// Waits for `more` queries of this type. One unanswered lookup sends two or three queries.
async fn until_asked(dns: &DnsServer, name: &str, kind: RecordType, more: usize) {
    let before = dns.questions_for(name, kind);
    let began = Instant::now();
    while dns.questions_for(name, kind) < before + more {
        assert!(began.elapsed() < DEADLINE, "no query for {kind} of {name}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn addresses_of_both_families_are_found_and_refreshed_when_their_time_to_live_ends() {
    let dns = DnsServer::start().await;
    dns.set_addresses(NAME, 1, &["127.0.0.2", "127.0.0.1", "::1"]);
    let mut search = Search::start(json!(TARGET), &dns.config());
    search.until(&["http://127.0.0.1:7003/", "http://127.0.0.2:7003/", "http://[::1]:7003/"]).await;
    let asked = Instant::now();
    dns.set_addresses(NAME, FOR_LONG, &["127.0.0.3"]);
    search.until(&["http://127.0.0.3:7003/"]).await;
    assert!(asked.elapsed() > Duration::from_millis(500), "asked again after {:?}", asked.elapsed());
    assert_eq!(dns.questions_for(NAME, A), 2);
    assert_eq!(dns.questions_for(NAME, AAAA), 2);
}

#[tokio::test]
async fn the_time_to_live_is_bounded() {
    let dns = DnsServer::start().await;
    dns.set_addresses(NAME, FOR_LONG, &["127.0.0.1"]);
    let config = DnsConfig { max_refresh_ms: 100, ..dns.config() };
    let mut search = Search::start(json!(TARGET), &config);
    search.until(&["http://127.0.0.1:7003/"]).await;
    until_asked(&dns, NAME, A, 2).await;
    dns.set_addresses(NAME, 0, &["127.0.0.2"]);
    search.until(&["http://127.0.0.2:7003/"]).await;
    let began = Instant::now();
    until_asked(&dns, NAME, A, 4).await;
    assert!(began.elapsed() >= Duration::from_millis(100), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_requested_refresh_finds_a_replaced_address_at_once() {
    let dns = DnsServer::start().await;
    dns.set_addresses(NAME, FOR_LONG, &["127.0.0.1", "127.0.0.2"]);
    let config = DnsConfig { nameserver: Some(dns.address()), ..DnsConfig::default() };
    let mut search = Search::start(json!(TARGET), &config);
    search.until(&["http://127.0.0.1:7003/", "http://127.0.0.2:7003/"]).await;
    dns.set_addresses(NAME, FOR_LONG, &["127.0.0.2", "127.0.0.3"]);
    let asked = Instant::now();
    search.discovery.refresh_now();
    search.until(&["http://127.0.0.2:7003/", "http://127.0.0.3:7003/"]).await;
    assert!(asked.elapsed() < Duration::from_millis(1_500), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn many_failures_do_not_cause_many_lookups() {
    let dns = DnsServer::start().await;
    dns.set_addresses(NAME, FOR_LONG, &["127.0.0.1"]);
    let config = DnsConfig { min_refresh_ms: 100, ..dns.config() };
    let mut search = Search::start(json!(TARGET), &config);
    search.until(&["http://127.0.0.1:7003/"]).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(500) {
        search.discovery.refresh_now();
        tokio::task::yield_now().await;
    }
    // One at the start, then one every 100 ms.
    let asked = Duration::from_millis(100) * u32::try_from(dns.questions_for(NAME, A)).unwrap();
    let took = began.elapsed();
    assert!(asked > took / 2 && asked <= took + Duration::from_millis(200), "{asked:?} of {took:?}");
}

#[tokio::test]
async fn addresses_are_kept_while_dns_is_silent_fails_or_has_no_records() {
    let dns = DnsServer::start().await;
    let config = DnsConfig { max_refresh_ms: 50, ..dns.config() };
    dns.set_addresses(NAME, FOR_LONG, &["127.0.0.1"]);
    let mut search = Search::start(json!(TARGET), &config);
    let known = ["http://127.0.0.1:7003/"];
    search.until(&known).await;
    for mood in [Mood::Silent, Mood::Fails] {
        dns.behave(mood);
        until_asked(&dns, NAME, A, 6).await;
        assert_eq!(search.uris(), known, "{mood:?}");
    }
    dns.behave(Mood::Answers);
    dns.remove(NAME);
    until_asked(&dns, NAME, A, 3).await;
    assert_eq!(search.uris(), known);
    dns.set_addresses(NAME, FOR_LONG, &[]);
    until_asked(&dns, NAME, A, 3).await;
    assert_eq!(search.uris(), known);
    dns.set_addresses(NAME, FOR_LONG, &["127.0.0.9"]);
    search.until(&["http://127.0.0.9:7003/"]).await;
}

#[tokio::test]
async fn a_failing_family_does_not_hide_changes_of_the_other() {
    let dns = DnsServer::start().await;
    let config = DnsConfig { max_refresh_ms: 50, ..dns.config() };
    dns.set_addresses(NAME, FOR_LONG, &["127.0.0.1", "::1"]);
    let mut search = Search::start(json!(TARGET), &config);
    search.until(&["http://127.0.0.1:7003/", "http://[::1]:7003/"]).await;
    dns.behave_for(AAAA, Mood::Fails);
    dns.set_addresses(NAME, FOR_LONG, &["127.0.0.2"]);
    search.until(&["http://127.0.0.2:7003/", "http://[::1]:7003/"]).await;
    dns.behave(Mood::Answers);
    search.until(&["http://127.0.0.2:7003/"]).await;
}

#[tokio::test]
async fn srv_records_give_ports_and_weights_and_only_the_lowest_priority_counts() {
    let dns = DnsServer::start().await;
    let near = |weight, port, host| Service { priority: 10, weight, port, host };
    let far = Service { priority: 20, weight: 1, port: 7_009, host: "c.test." };
    dns.set_services(SERVICE, 1, &[near(60, 7_001, "a.test."), near(0, 7_002, "b.test."), far]);
    dns.set_addresses("a.test.", FOR_LONG, &["127.0.0.1"]);
    dns.set_addresses("b.test.", FOR_LONG, &["127.0.0.1", "127.0.0.2"]);
    dns.set_addresses("c.test.", FOR_LONG, &["127.0.0.3"]);
    let target = json!([{"target": format!("srv://{SERVICE}"), "zone": "east", "weight": 2}]);
    let mut search = Search::start(target, &dns.config());
    search.until(&["http://127.0.0.1:7001/", "http://127.0.0.1:7002/", "http://127.0.0.2:7002/"]).await;
    let set = search.set.borrow().clone();
    assert_eq!(set.iter().map(|address| address.weight.get()).collect::<Vec<_>>(), [120, 2, 2]);
    assert!(set.iter().all(|address| address.zone.as_deref() == Some("east")));
    assert_eq!(dns.questions_for("c.test.", A), 0);
    // The next priority takes over when the lowest has left the answer, after the time to live of the SRV records.
    dns.set_services(SERVICE, FOR_LONG, &[far]);
    search.until(&["http://127.0.0.3:7009/"]).await;
    // "Not available" does not leave the upstream without replicas.
    dns.set_services(SERVICE, FOR_LONG, &[near(1, 7_001, ".")]);
    search.discovery.refresh_now();
    until_asked(&dns, SERVICE, SRV, 2).await;
    assert_eq!(search.uris(), ["http://127.0.0.3:7009/"]);
}

#[tokio::test]
async fn a_removed_host_leaves_and_one_whose_lookup_fails_stays() {
    let dns = DnsServer::start().await;
    let config = DnsConfig { max_refresh_ms: 50, ..dns.config() };
    let service = |port, host| Service { priority: 1, weight: 1, port, host };
    dns.set_services(SERVICE, FOR_LONG, &[service(7_001, "a.test."), service(7_002, "b.test.")]);
    dns.set_addresses("a.test.", FOR_LONG, &["127.0.0.1"]);
    dns.set_addresses("b.test.", FOR_LONG, &["127.0.0.2"]);
    let mut search = Search::start(json!(format!("srv://{SERVICE}")), &config);
    search.until(&["http://127.0.0.1:7001/", "http://127.0.0.2:7002/"]).await;
    dns.remove("b.test.");
    search.until(&["http://127.0.0.1:7001/"]).await;
    dns.behave_for(A, Mood::Fails);
    dns.set_services(SERVICE, FOR_LONG, &[service(7_001, "a.test."), service(7_003, "a.test.")]);
    search.until(&["http://127.0.0.1:7001/", "http://127.0.0.1:7003/"]).await;
}

#[tokio::test]
async fn long_answers_use_tcp_and_the_number_of_replicas_is_bounded() {
    let dns = DnsServer::start().await;
    let all: Vec<String> = (10..90).map(|number| format!("127.0.0.{number}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    dns.set_addresses(NAME, 1, &all);
    let config = DnsConfig { max_endpoints: 3, ..dns.config() };
    let mut search = Search::start(json!(TARGET), &config);
    let first = ["http://127.0.0.10:7003/", "http://127.0.0.11:7003/", "http://127.0.0.12:7003/"];
    search.until(&first).await;
    let mut search = Search::start(json!(TARGET), &dns.config());
    let expected: Vec<String> = all.iter().map(|ip| format!("http://{ip}:7003/")).collect();
    search.until(&expected.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn fixed_targets_are_available_at_once_and_others_join_them() {
    let dns = DnsServer::start().await;
    dns.behave(Mood::Silent);
    dns.set_addresses(NAME, FOR_LONG, &["127.0.0.1"]);
    let mut search = Search::start(json!(format!("http://order-1:1,{TARGET},http://order-0:1")), &dns.config());
    assert_eq!(search.uris(), ["http://order-0:1/", "http://order-1:1/"]);
    until_asked(&dns, NAME, A, 2).await;
    dns.behave(Mood::Answers);
    search.until(&["http://127.0.0.1:7003/", "http://order-0:1/", "http://order-1:1/"]).await;
}

#[tokio::test]
async fn lookups_end_with_the_process_and_with_the_last_handle() {
    let dns = DnsServer::start().await;
    dns.behave(Mood::Silent);
    let search = Search::start(json!(TARGET), &DnsConfig { timeout_ms: 60_000, ..dns.config() });
    until_asked(&dns, NAME, A, 1).await;
    search.tasks.stop_signal().cancel();
    timeout(DEADLINE, search.tasks.finished()).await.unwrap();

    dns.behave(Mood::Answers);
    dns.set_addresses(NAME, FOR_LONG, &["127.0.0.1"]);
    let Search { discovery, set: _, tasks } = Search::start(json!(TARGET), &dns.config());
    until_asked(&dns, NAME, A, 1).await;
    drop(discovery);
    timeout(DEADLINE, tasks.finished()).await.unwrap();
}
