//! The distribution of calls while all replicas are healthy.

use std::time::Duration;

use balancer::Ask;
use serde_json::json;

use crate::support::callers::{Callers, until};
use crate::support::replica::{Mood, Replica};

fn three() -> [Replica; 3] {
    [(); 3].map(|()| Replica::start())
}

/// The number of the next calls that each replica gets.
async fn parts(callers: &Callers, replicas: &[Replica; 3], how: Ask<'_>) -> [usize; 3] {
    callers.until_all_are_called(&replicas.each_ref()).await;
    let before = replicas.each_ref().map(Replica::calls);
    let (_, errors) = callers.calls(how, 300, 1).await;
    assert!(errors.is_empty(), "{errors:?}");
    let mut parts = replicas.each_ref().map(Replica::calls);
    parts.iter_mut().zip(before).for_each(|(part, before)| *part -= before);
    parts
}

#[tokio::test]
async fn round_robin_uses_each_in_turn() {
    let replicas = three();
    let callers = Callers::of(&replicas.each_ref(), json!({ "strategy": "round_robin" }));
    assert_eq!(parts(&callers, &replicas, Ask::idempotent()).await, [100; 3]);
}

#[tokio::test]
async fn weighted_round_robin_respects_weights() {
    let replicas = three();
    let weighted = [1, 2, 3].map(|weight| json!({ "target": replicas[weight - 1].url(), "weight": weight }));
    let callers = Callers::to(json!(weighted), json!({ "strategy": "weighted_round_robin" }));
    let parts = parts(&callers, &replicas, Ask::idempotent()).await;
    assert!(parts.iter().zip([50, 100, 150]).all(|(part, fair)| part.abs_diff(fair) <= 2), "{parts:?}");
}

#[tokio::test]
async fn two_choices_and_least_requests_use_all_replicas() {
    for strategy in ["p2c_ewma", "least_requests"] {
        let replicas = three();
        let callers = Callers::of(&replicas.each_ref(), json!({ "strategy": strategy }));
        callers.until_all_are_called(&replicas.each_ref()).await;
        replicas.iter().for_each(|replica| replica.set(Mood::Slow(Duration::from_millis(5))));
        let before = replicas.each_ref().map(Replica::calls);
        callers.calls(Ask::idempotent(), 600, 12).await;
        let parts: Vec<_> = replicas.iter().zip(before).map(|(replica, before)| replica.calls() - before).collect();
        assert!(parts.iter().all(|part| *part > 60), "{strategy}: {parts:?}");
    }
}

#[tokio::test]
async fn a_busy_replica_gets_fewer_calls_under_least_requests_and_two_choices() {
    for strategy in ["p2c_ewma", "least_requests"] {
        let replicas = three();
        let callers = Callers::of(&replicas.each_ref(), json!({ "strategy": strategy }));
        callers.until_all_are_called(&replicas.each_ref()).await;
        replicas[0].set(Mood::Slow(Duration::from_millis(100)));
        let before = replicas.each_ref().map(Replica::calls);
        let (_, errors) = callers.calls(Ask::idempotent(), 600, 6).await;
        assert!(errors.is_empty(), "{errors:?}");
        let busy = replicas[0].calls() - before[0];
        assert!(busy < 100, "{strategy}: {busy} of 600");
    }
}

#[tokio::test]
async fn a_client_address_and_a_key_stay_with_their_replica() {
    let replicas = three();
    let callers = Callers::of(&replicas.each_ref(), json!({ "strategy": "ip_hash" }));
    until("three connections", async || {
        for number in 0..20 {
            callers.call(Ask::idempotent().key(&number.to_string())).await.unwrap();
        }
        replicas.iter().all(|replica| replica.calls() > 0)
    })
    .await;
    for how in [Ask::idempotent(), Ask::idempotent().key("tea"), Ask::idempotent().key("coffee")] {
        let before = replicas.each_ref().map(Replica::calls);
        callers.calls(how, 50, 5).await;
        let called = replicas.iter().zip(before).filter(|(replica, before)| replica.calls() > *before);
        assert_eq!(called.count(), 1);
    }
}

#[tokio::test]
async fn keys_go_to_the_second_choice_while_the_first_is_overloaded_and_no_third_replica_is_asked() {
    let replicas = three();
    let callers = Callers::of(&replicas.each_ref(), json!({}));
    callers.until_all_are_called(&replicas.each_ref()).await;
    let before = replicas.each_ref().map(Replica::calls);
    callers.call(Ask::idempotent().key("tea")).await.unwrap();
    let first = (0..3).find(|number| replicas[*number].calls() > before[*number]).unwrap();
    replicas[first].set(Mood::Overloaded);
    let (_, errors) = callers.calls(Ask::idempotent().key("tea"), 100, 1).await;
    assert!(errors.is_empty(), "{errors:?}");
    replicas.iter().for_each(|replica| replica.set(Mood::Overloaded));
    let before: usize = replicas.iter().map(Replica::calls).sum();
    let (_, errors) = callers.calls(Ask::idempotent().key("tea"), 100, 10).await;
    assert_eq!(errors.len(), 100);
    assert!(errors.iter().all(|error| error.reason() == envelope::Reason::Overloaded), "{errors:?}");
    let asked = replicas.iter().map(Replica::calls).sum::<usize>() - before;
    assert!(asked <= 210, "{asked} for 100 calls");
}

#[tokio::test]
async fn the_own_zone_is_preferred_and_spills_over_in_proportion_to_its_missing_replicas() {
    let replicas = [(); 4].map(|()| Replica::start());
    let targets = [0, 1, 2, 3].map(|number| {
        let zone = if number < 2 { "east" } else { "west" };
        json!({ "target": replicas[number].url(), "zone": zone })
    });
    let health = json!({ "interval_ms": 50, "failures": 1, "successes": 1 });
    let callers = Callers::to(json!(targets), json!({ "zone": "east", "strategy": "round_robin", "health": health }));
    callers.until_all_are_called(&[&replicas[0], &replicas[1]]).await;
    let foreign = |replicas: &[Replica; 4]| replicas[2].calls() + replicas[3].calls();
    let before = foreign(&replicas);
    callers.calls(Ask::idempotent(), 200, 4).await;
    assert_eq!(foreign(&replicas), before, "no request leaves a healthy zone");
    replicas[0].set_healthy(false);
    until("some leave", async || {
        callers.call(Ask::idempotent()).await.unwrap();
        foreign(&replicas) > before
    })
    .await;
    let before = foreign(&replicas);
    callers.calls(Ask::idempotent(), 1_000, 4).await;
    // The remaining half of the zone serves 70 % of its requests.
    let left = foreign(&replicas) - before;
    assert!((200..400).contains(&left), "{left} of 1,000 left the zone");
}
