//! The effect on callers of replicas that are gone, die, are slow, fail or hang.

use std::time::Duration;

use balancer::Ask;
use balancer::discovery::DnsConfig;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::callers::{Callers, until};
use crate::support::dns_server::{DnsServer, Service};
use crate::support::replica::{Mood, Replica};

const MANY: usize = 3_000;
const AT_ONCE: usize = 20;

fn three() -> [Replica; 3] {
    [(); 3].map(|()| Replica::start())
}

fn slower_than(took: &[Duration], limit: Duration) -> usize {
    took.iter().filter(|took| **took > limit).count()
}

#[tokio::test]
async fn a_dead_replica_causes_no_errors() {
    let mut replicas = three();
    replicas[1].kill();
    let callers = Callers::of(&replicas.each_ref(), json!({}));
    let (_, errors) = callers.calls(Ask::once(), 500, AT_ONCE).await;
    assert!(errors.is_empty(), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_die_and_come_back_cause_no_errors() {
    let mut replicas = three();
    let callers = Callers::of(&replicas.each_ref(), json!({}));
    callers.until_all_are_called(&replicas.each_ref()).await;
    let killing = async {
        for number in [0, 1, 2, 0, 2, 1] {
            let (address, before) = (replicas[number].address(), replicas[number].calls());
            until("calls", async || replicas[number].calls() > before + 200).await;
            replicas[number].kill();
            replicas[number] = Replica::start_on(address, None);
        }
    };
    let (_, errors) = callers.calls_during(Ask::idempotent(), AT_ONCE, killing).await;
    assert!(errors.is_empty(), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_has_just_come_back_takes_over_when_the_last_other_dies() {
    // Long enough for the pauses between connection attempts to have grown.
    const AWAY: Duration = Duration::from_millis(1_500);
    let mut replicas = [(); 2].map(|()| Replica::start());
    let callers = Callers::of(&replicas.each_ref(), json!({}));
    callers.until_all_are_called(&replicas.each_ref()).await;
    let killing = async {
        replicas[0].kill();
        for number in [0, 1, 0, 1] {
            tokio::time::sleep(AWAY).await;
            replicas[number] = Replica::start_on(replicas[number].address(), None);
            replicas[1 - number].kill();
        }
    };
    let (_, errors) = callers.calls_during(Ask::idempotent(), AT_ONCE, killing).await;
    assert!(errors.is_empty(), "{errors:?}");
}

#[tokio::test]
async fn a_replica_that_fails_half_of_its_calls_is_ejected_and_comes_back() {
    let replicas = three();
    let callers = Callers::of(&replicas.each_ref(), json!({ "ejection": { "base_ms": 1_500 } }));
    callers.until_all_are_called(&replicas.each_ref()).await;
    replicas[0].set(Mood::FailsHalf);
    let (_, errors) = callers.calls(Ask::idempotent(), MANY, AT_ONCE).await;
    assert!(errors.is_empty(), "{errors:?}");
    let while_failing = replicas[0].calls();
    assert!(while_failing < MANY / 5, "it was called {while_failing} times");
    replicas[0].set(Mood::Well);
    callers.until_all_are_called(&[&replicas[0]]).await;
}

#[tokio::test]
async fn no_replica_is_ejected_when_all_fail_alike() {
    const FAILING: Duration = Duration::from_secs(1);
    let replicas = three();
    // An ejected replica does not come back within the test.
    let ejection = json!({ "base_ms": 300_000, "max_ms": 300_000 });
    let settings = json!({ "ejection": ejection, "breaker": { "enabled": false } });
    let callers = Callers::of(&replicas.each_ref(), settings);
    callers.until_all_are_called(&replicas.each_ref()).await;
    for mood in [Mood::FailsHalf, Mood::Fails] {
        replicas.iter().for_each(|replica| replica.set(mood));
        callers.calls_during(Ask::once(), AT_ONCE, tokio::time::sleep(FAILING)).await;
        replicas.iter().for_each(|replica| replica.set(Mood::Well));
        callers.until_all_are_called(&replicas.each_ref()).await;
    }
}

#[tokio::test]
async fn a_hanging_or_slow_replica_delays_few_calls_and_fails_none() {
    for mood in [Mood::Hangs, Mood::Slow(Duration::from_secs(2))] {
        for strategy in ["p2c_ewma", "round_robin"] {
            let replicas = three();
            let settings = json!({ "strategy": strategy, "attempt_timeout_ms": 300 });
            let callers = Callers::of(&replicas.each_ref(), settings);
            callers.until_all_are_called(&replicas.each_ref()).await;
            replicas[0].set(mood);
            let (took, errors) = callers.calls(Ask::idempotent(), MANY, AT_ONCE).await;
            assert!(errors.is_empty(), "{strategy}: {errors:?}");
            let late = slower_than(&took, Duration::from_millis(290));
            assert!(late <= 2 * AT_ONCE, "{mood:?}, {strategy}: {late} were late");
        }
    }
}

#[tokio::test]
async fn a_key_leaves_a_hanging_replica() {
    let replicas = three();
    let callers = Callers::of(&replicas.each_ref(), json!({ "attempt_timeout_ms": 1_000 }));
    callers.until_all_are_called(&replicas.each_ref()).await;
    let before = replicas.each_ref().map(Replica::calls);
    callers.call(Ask::idempotent().key("tea")).await.unwrap();
    let first = (0..3).find(|number| replicas[*number].calls() > before[*number]).unwrap();
    replicas[first].set(Mood::Hangs);
    let (took, errors) = callers.calls(Ask::idempotent().key("tea"), 500, AT_ONCE).await;
    assert!(errors.is_empty(), "{errors:?}");
    assert!(slower_than(&took, Duration::from_millis(900)) <= 2 * AT_ONCE);
}

#[tokio::test]
async fn health_checks_take_a_replica_out_and_in_and_are_ignored_when_all_are_out() {
    let replicas = three();
    let health = json!({ "interval_ms": 50, "failures": 3, "successes": 2 });
    let callers = Callers::of(&replicas.each_ref(), json!({ "health": health }));
    callers.until_all_are_called(&replicas.each_ref()).await;
    replicas[0].set_healthy(false);
    until("it is left alone", async || {
        let before = replicas[0].calls();
        callers.calls(Ask::idempotent(), 100, 4).await;
        replicas[0].calls() == before
    })
    .await;
    replicas[0].set_healthy(true);
    callers.until_all_are_called(&[&replicas[0]]).await;
    replicas.iter().for_each(|replica| replica.set_healthy(false));
    let (_, errors) = callers.calls(Ask::once(), 500, 4).await;
    assert!(errors.is_empty(), "{errors:?}");
}

#[tokio::test]
async fn a_new_replica_starts_with_a_small_share() {
    let mut replicas = three();
    let address = replicas[2].address();
    replicas[2].kill();
    let slow_start = Duration::from_secs(4);
    let settings = json!({ "strategy": "round_robin", "slow_start_ms": 4_000 });
    let callers = Callers::of(&replicas.each_ref(), settings);
    callers.until_all_are_called(&[&replicas[0], &replicas[1]]).await;
    let connected = Instant::now();
    until("the others are warm", async || {
        callers.call(Ask::idempotent()).await.unwrap();
        connected.elapsed() >= slow_start
    })
    .await;
    replicas[2] = Replica::start_on(address, None);
    until("it is called", async || {
        callers.call(Ask::idempotent()).await.unwrap();
        replicas[2].calls() > 0
    })
    .await;
    let (began, mut at_first) = (Instant::now(), None);
    let mut before = (replicas[2].calls(), 0);
    let share = |calls: usize, of: usize| calls * 100 / of;
    until("it gets its full part", async || {
        callers.calls(Ask::idempotent(), 300, 1).await;
        let calls = replicas[2].calls() - before.0;
        before = (replicas[2].calls(), before.1 + 1);
        at_first.get_or_insert((calls, began.elapsed()));
        share(calls, 300) >= 32
    })
    .await;
    let (calls, after) = at_first.unwrap();
    // On a busy machine the first measurement may be late, and is then ignored.
    assert!(after > Duration::from_secs(2) || share(calls, 300) < 25, "{calls} of 300 after {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_lost_when_replicas_stop_gracefully_or_close_old_connections() {
    let age = Some(Duration::from_millis(150));
    let mut replicas = [(); 3].map(|()| Replica::start_on("127.0.0.1:0".parse().unwrap(), age));
    let callers = Callers::of(&replicas.each_ref(), json!({}));
    callers.until_all_are_called(&replicas.each_ref()).await;
    replicas.iter().for_each(|replica| replica.set(Mood::Slow(Duration::from_millis(5))));
    let stopping = async {
        for number in [0, 1, 2, 1, 0, 2] {
            let (address, before) = (replicas[number].address(), replicas[number].calls());
            until("calls", async || replicas[number].calls() > before + 20).await;
            replicas[number].stop().await;
            replicas[number] = Replica::start_on(address, age);
        }
    };
    // Not even calls that must not be repeated.
    let (_, errors) = callers.calls_during(Ask::once(), AT_ONCE, stopping).await;
    assert!(errors.is_empty(), "{errors:?}");
}

fn dns_settings(config: &DnsConfig) -> Value {
    json!({
        "nameserver": config.nameserver,
        "min_refresh_ms": config.min_refresh_ms,
        "failure_retry_ms": config.failure_retry_ms,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_while_dns_moves_to_new_addresses_and_the_old_ones_die() {
    const NAME: &str = "_grpc._tcp.order.shop.test.";
    let dns = DnsServer::start().await;
    dns.set_addresses("replica.shop.test.", 3_600, &["127.0.0.1"]);
    let publish = |replicas: &[Replica]| {
        let services: Vec<_> = replicas
            .iter()
            .map(|replica| Service {
                priority: 1,
                weight: 1,
                port: replica.address().port(),
                host: "replica.shop.test.",
            })
            .collect();
        // Long enough that only failed connections cause a new lookup.
        dns.set_services(NAME, 3_600, &services);
    };
    let mut replicas: Vec<_> = (0..3).map(|_| Replica::start()).collect();
    publish(&replicas);
    let settings = json!({ "dns": dns_settings(&dns.config()) });
    let callers = Callers::to(json!(format!("srv://{NAME}")), settings);
    let moving = async {
        for _ in 0..3 {
            let before = replicas[0].calls();
            until("calls", async || replicas[0].calls() > before + 20).await;
            let mut old = std::mem::replace(&mut replicas, (0..3).map(|_| Replica::start()).collect());
            publish(&replicas);
            // One after the other, as in a rolling replacement of pods.
            old[0].kill();
            callers.until_all_are_called(&[&replicas[0], &replicas[1], &replicas[2]]).await;
            old.iter_mut().for_each(Replica::kill);
        }
    };
    let (_, errors) = callers.calls_during(Ask::idempotent(), AT_ONCE, moving).await;
    assert!(errors.is_empty(), "{errors:?}");
}

#[tokio::test]
async fn without_replicas_calls_fail_after_a_short_wait() {
    let mut replicas = three();
    replicas.iter_mut().for_each(Replica::kill);
    let callers = Callers::of(&replicas.each_ref(), json!({}));
    let (took, errors) = callers.calls(Ask::idempotent(), 20, 4).await;
    assert_eq!(errors.len(), 20);
    assert!(errors.iter().all(|error| error.reason() == envelope::Reason::Unavailable), "{errors:?}");
    assert!(took.iter().all(|took| *took < Duration::from_secs(5)), "{took:?}");
}
