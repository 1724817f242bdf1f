//! Combinations of conditions: hedges with hanging replicas, overload of all replicas, sockets without a process, and
//! addresses that all change at once.

use std::time::Duration;

use balancer::Ask;
use serde_json::json;

use crate::support::callers::{Callers, until};
use crate::support::dns_server::{DnsServer, Service};
use crate::support::replica::{Mood, Replica};

const AT_ONCE: usize = 20;

fn three() -> [Replica; 3] {
    [(); 3].map(|()| Replica::start())
}

fn total(replicas: &[Replica]) -> usize {
    replicas.iter().map(Replica::calls).sum()
}

#[tokio::test]
async fn reads_avoid_a_hanging_replica_although_hedges_hide_it() {
    for strategy in ["p2c_ewma", "round_robin"] {
        let replicas = three();
        let callers = Callers::of(&replicas.each_ref(), json!({ "strategy": strategy }));
        callers.until_all_are_called(&replicas.each_ref()).await;
        // Enough calls for a known latency, and thus a hedge delay.
        callers.calls(Ask::read(), 300, AT_ONCE).await;
        replicas[0].set(Mood::Hangs);
        until("it is left alone", async || {
            let before = replicas[0].calls();
            let (_, errors) = callers.calls(Ask::read(), 200, AT_ONCE).await;
            assert!(errors.is_empty(), "{strategy}: {errors:?}");
            replicas[0].calls() == before
        })
        .await;
        let before = replicas[0].calls();
        let (_, errors) = callers.calls(Ask::read(), 3_000, AT_ONCE).await;
        assert!(errors.is_empty(), "{strategy}: {errors:?}");
        // One call at a time finds out whether it is back. On a busy machine all replicas may seem to hang for a
        // moment.
        let asked = replicas[0].calls() - before;
        assert!(asked <= 60, "{strategy}: it was asked {asked} times");
    }
}

#[tokio::test]
async fn an_overloaded_service_does_not_get_two_attempts_a_call() {
    let replicas = three();
    let callers = Callers::of(&replicas.each_ref(), json!({}));
    callers.until_all_are_called(&replicas.each_ref()).await;
    replicas.iter().for_each(|replica| replica.set(Mood::Overloaded));
    let before = total(&replicas);
    let (_, errors) = callers.calls(Ask::idempotent(), 1_000, AT_ONCE).await;
    assert_eq!(errors.len(), 1_000);
    for error in &errors {
        assert_eq!((error.reason(), error.message()), (envelope::Reason::Overloaded, "too much"));
    }
    let asked = total(&replicas) - before;
    assert!(asked < 1_200, "{asked} for 1,000 calls");
}

#[tokio::test]
async fn a_socket_whose_process_accepts_nothing_gets_no_calls() {
    let stopped = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let replicas = [Replica::start(), Replica::start()];
    let uris = json!([format!("http://{}", stopped.local_addr().unwrap()), replicas[0].url(), replicas[1].url()]);
    let callers = Callers::to(uris, json!({ "strategy": "round_robin" }));
    let (took, errors) = callers.calls(Ask::once(), 1_000, AT_ONCE).await;
    assert!(errors.is_empty(), "{errors:?}");
    assert!(took.iter().all(|took| *took < Duration::from_millis(1_900)), "{:?}", took.iter().max());
    assert_eq!(total(&replicas), 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_when_all_addresses_change_at_once() {
    const NAME: &str = "_grpc._tcp.order.shop.test.";
    let dns = DnsServer::start().await;
    dns.set_addresses("replica.shop.test.", 3_600, &["127.0.0.1"]);
    let publish = |replicas: &[Replica]| {
        let service = |replica: &Replica| Service {
            priority: 1,
            weight: 1,
            port: replica.address().port(),
            host: "replica.shop.test.",
        };
        // Long enough that only failed connections cause a new lookup.
        dns.set_services(NAME, 3_600, &replicas.iter().map(service).collect::<Vec<_>>());
    };
    let mut replicas: Vec<_> = (0..3).map(|_| Replica::start()).collect();
    publish(&replicas);
    let config = dns.config();
    let settings =
        json!({ "dns": { "nameserver": config.nameserver, "min_refresh_ms": 500, "failure_retry_ms": 500 } });
    let callers = Callers::to(json!(format!("srv://{NAME}")), settings);
    let moving = async {
        for _ in 0..3 {
            let before = total(&replicas);
            until("calls", async || total(&replicas) > before + 50).await;
            let mut old = std::mem::replace(&mut replicas, (0..3).map(|_| Replica::start()).collect());
            publish(&replicas);
            old.iter_mut().for_each(Replica::kill);
        }
        until("calls of the last", async || total(&replicas) > 50).await;
    };
    let (_, errors) = callers.calls_during(Ask::idempotent(), AT_ONCE, moving).await;
    assert!(errors.is_empty(), "{errors:?}");
}
