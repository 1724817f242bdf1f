//! Replays against a stub of the gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bench::completejourney::{Basket, SkipReason};
use bench::replay::{Options, replay_baskets};
use primitives::Quantity;
use serde_json::json;

use crate::gateway::{Gateway, Reply};

fn basket(id: u64, products: u32) -> Basket {
    let lines = (0..products).map(|product| (product, Quantity::try_from(2).unwrap())).collect();
    let household = u32::try_from(id).unwrap();
    Basket { id, household, at: 0, lines, skipped: Vec::new() }
}

fn options(gateway: &Gateway) -> Options {
    Options {
        gateway: gateway.url.clone(),
        run_id: "test".into(),
        users: 3,
        concurrency: 4,
        rate: None,
        sending: Duration::from_secs(30),
    }
}

#[tokio::test]
async fn orders_are_accepted_refused_and_failed_and_each_is_counted() {
    let gateway = Gateway::start(|asked, before| match asked.key.as_str() {
        "replay-test-1-0" => Reply::No(409, "INSUFFICIENT_STOCK"),
        "replay-test-2-0" => Reply::No(404, "SKU_NOT_FOUND"),
        "replay-test-3-0" => Reply::No(500, "INTERNAL"),
        "replay-test-4-0" if before > 0 => Reply::Replayed,
        "replay-test-4-0" => Reply::No(504, "DEADLINE_EXCEEDED"),
        "replay-test-5-0" => Reply::No(503, "OVERLOADED"),
        _ => Reply::Placed,
    })
    .await;
    let mut baskets: Vec<Basket> = (1..=20).map(|id| basket(id, 1)).collect();
    baskets.push(Basket { skipped: vec![SkipReason::QuantityZero, SkipReason::NoValue], ..basket(21, 0) });
    baskets.push(basket(22, 150));
    let summary = replay_baskets(baskets, &options(&gateway)).await.unwrap();

    assert_eq!((summary.baskets, summary.empty_baskets, summary.split_baskets, summary.orders), (22, 1, 1, 22));
    assert_eq!(summary.no_orders, BTreeMap::from([(SkipReason::QuantityZero, 1), (SkipReason::NoValue, 1)]));
    assert_eq!((summary.accepted, summary.replayed), (18, 1));
    assert_eq!(summary.refused, BTreeMap::from([("INSUFFICIENT_STOCK", 1), ("SKU_NOT_FOUND", 1)]));
    let failed = [("INTERNAL".to_owned(), 1), ("OVERLOADED".to_owned(), 1)];
    assert_eq!(summary.failed, BTreeMap::from(failed));
    assert_eq!((summary.not_sent, summary.retries), (0, 1 + 4));
    assert!(!summary.all_answered());
    assert!(summary.latency_from_send.is_some() && summary.latency_from_due.is_some());
    let text = summary.to_string();
    assert!(text.contains("INSUFFICIENT_STOCK  1") && text.contains("OVERLOADED  1"), "{text}");

    // All attempts of an order have the same key and body; each order has its own key, and each basket its customer.
    let asked = gateway.asked();
    assert_eq!(asked.len(), 22 + 5);
    assert_eq!(asked.iter().map(|asked| &asked.key).collect::<BTreeSet<_>>().len(), 22);
    let overloaded: Vec<_> = asked.iter().filter(|asked| asked.key == "replay-test-5-0").collect();
    assert_eq!(overloaded.len(), 5);
    assert!(overloaded.iter().all(|asked| asked.body == overloaded[0].body));
    assert_eq!(overloaded[0].body, json!({ "lines": [{ "sku": "cj-0", "quantity": 2 }] }));
    let sizes: Vec<_> = asked
        .iter()
        .filter(|asked| asked.key.starts_with("replay-test-22-"))
        .map(|asked| asked.body["lines"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([50, 100]));
    assert_eq!(asked.iter().map(|asked| &asked.token).collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(gateway.sessions().0, 3);
}

#[tokio::test]
async fn a_run_with_refusals_only_is_a_success() {
    let gateway = Gateway::start(|_, _| Reply::No(403, "RISK_REJECTED")).await;
    let summary = replay_baskets(vec![basket(1, 1)], &options(&gateway)).await.unwrap();
    assert!(summary.all_answered());
    assert_eq!(summary.accepted, 0);
}

#[tokio::test]
async fn a_run_can_be_continued() {
    let gateway = Gateway::start(|_, before| if before > 0 { Reply::Replayed } else { Reply::Placed }).await;
    let options = options(&gateway);
    let first = replay_baskets(vec![basket(1, 1)], &options).await.unwrap();
    let again = replay_baskets(vec![basket(1, 1), basket(2, 1)], &options).await.unwrap();
    assert_eq!((first.accepted, first.replayed), (1, 0));
    assert_eq!((again.accepted, again.replayed), (2, 1));
    let other = Options { run_id: "other".into(), ..options };
    assert_eq!(replay_baskets(vec![basket(1, 1)], &other).await.unwrap().replayed, 0);
}

#[tokio::test]
async fn an_expired_token_is_renewed_once_for_all_orders() {
    let refused = "Bearer access-1";
    let gateway = Gateway::start(
        move |asked, _| {
            if asked.token == refused { Reply::No(401, "TOKEN_EXPIRED") } else { Reply::Placed }
        },
    )
    .await;
    let options = Options { users: 1, concurrency: 8, ..options(&gateway) };
    let summary = replay_baskets((1..=8).map(|id| basket(id, 1)).collect(), &options).await.unwrap();
    assert_eq!((summary.accepted, summary.failed.len()), (8, 0));
    assert_eq!(gateway.sessions(), (1, 2, 1));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let gateway = Gateway::with_tokens_for(0, |_, _| Reply::Placed).await;
    let options = Options { users: 1, concurrency: 1, ..options(&gateway) };
    let summary = replay_baskets(vec![basket(1, 1), basket(2, 1)], &options).await.unwrap();
    assert_eq!(summary.accepted, 2);
    assert_eq!(gateway.sessions(), (1, 3, 2));
}

#[tokio::test]
async fn a_stall_shows_in_the_latency_from_the_due_times() {
    let stall = Duration::from_millis(600);
    let gateway = Gateway::start(move |asked, _| match asked.key.as_str() {
        "replay-test-10-0" => Reply::PlacedLate(stall),
        _ => Reply::Placed,
    })
    .await;
    let options = Options { concurrency: 1, rate: Some(200.0), ..options(&gateway) };
    let summary = replay_baskets((1..=100).map(|id| basket(id, 1)).collect(), &options).await.unwrap();
    assert_eq!(summary.accepted, 100);
    let (send, due) = (summary.latency_from_send.unwrap(), summary.latency_from_due.unwrap());
    // One order was slow; dozens that waited for it were late.
    assert!(send.p90_ms < 300.0 && due.p90_ms > 300.0, "{send:?} {due:?}");
    assert!(summary.held_back >= 30 && summary.latest_ms >= 500, "{summary:?}");
    // 100 orders at 200 per second take at least half a second.
    assert!(summary.seconds >= 0.49, "{summary:?}");
}

#[tokio::test]
async fn the_orders_in_flight_and_the_time_are_bounded() {
    let gateway = Gateway::start(|_, _| Reply::PlacedLate(Duration::from_millis(200))).await;
    let options = Options { concurrency: 2, sending: Duration::from_millis(500), ..options(&gateway) };
    let summary = replay_baskets((1..=100).map(|id| basket(id, 1)).collect(), &options).await.unwrap();
    let sent = summary.orders - summary.not_sent;
    assert!((2..=8).contains(&sent), "{summary:?}");
    assert_eq!(usize::try_from(summary.accepted).unwrap(), sent);
    assert!(summary.to_string().contains("not sent"));
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    let gateway = Gateway::start(|_, before| match before {
        0 => Reply::NotNow(429, "RATE_LIMITED", 1),
        _ => Reply::Placed,
    })
    .await;
    let summary = replay_baskets(vec![basket(1, 1)], &options(&gateway)).await.unwrap();
    assert_eq!((summary.accepted, summary.retries), (1, 1));
    assert!(summary.latency_from_send.unwrap().max_ms >= 999.0, "{summary:?}");
}

#[tokio::test]
async fn an_unreachable_gateway_is_an_error() {
    let gateway = Gateway::start(|_, _| Reply::Placed).await;
    // Nothing listens on the discard port.
    let options = Options { gateway: "http://127.0.0.1:9".into(), ..options(&gateway) };
    let replay = tokio::time::timeout(Duration::from_secs(90), replay_baskets(vec![basket(1, 1)], &options));
    assert!(replay.await.unwrap().is_err());
}
