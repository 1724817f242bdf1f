//! What a collector of traces is sent.

use std::collections::HashSet;
use std::time::Duration;

use end_to_end::{Collected, Collector, Overrides, Shop, eventually, order_of};

const PROCESSES: [&str; 7] = ["gateway", "order", "inventory", "user", "payment", "risk", "reconciliation"];

async fn shop(test: &str, ratio: f64) -> (Shop, Collector) {
    let (collector, endpoint) = Collector::start().await;
    let settings = toml::toml! {
        [telemetry]
        otlp_endpoint = endpoint
        sample_ratio = ratio
        slow_ms = 60_000
    };
    let overrides: Overrides = PROCESSES.map(|process| (process.to_owned(), settings.clone())).into();
    (Shop::open_with(test, overrides).await, collector)
}

/// A trace id of the caller's own, as a `traceparent`.
fn trace() -> (String, String) {
    let id = uuid::Uuid::new_v4().simple().to_string();
    (format!("00-{id}-00f067aa0ba902b7-00"), id)
}

fn find<'a>(spans: &'a [Collected], service: &str, name: &str) -> Option<&'a Collected> {
    spans.iter().find(|span| span.service == service && span.name == name)
}

/// How long the last span may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every hop of an order that is placed: process, span, and the process and span around it.
const HOPS: [(&str, &str, &str, &str); 9] = [
    ("gateway", PLACE, "gateway", "POST /api/v1/orders"),
    ("order", PLACE, "gateway", PLACE),
    ("order", "commit batch", "order", PLACE),
    ("order", "insert orders", "order", "commit batch"),
    ("order", "insert outbox", "order", "commit batch"),
    ("order", "commitTransaction", "order", "commit batch"),
    ("risk", "fournines.risk.v1.RiskService/Assess", "order", "fournines.risk.v1.RiskService/Assess"),
    ("reconciliation", "process reconciliation", "order", SEND),
    ("reconciliation", "commitTransaction", "reconciliation", "process reconciliation"),
];
const PLACE: &str = "fournines.order.v1.OrderService/PlaceOrder";
const SEND: &str = "send order.events.v1";

#[tokio::test]
async fn one_order_is_one_trace_with_every_hop() {
    let (shop, collector) = shop("trace_order", 1.0).await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 10).await;
    let (traceparent, trace) = trace();
    let reply = customer.post_in_trace("/orders", order_of(&[("tea", 1)]), &traceparent).await;
    assert!(reply.expect_status(201).header("traceparent").unwrap().contains(&trace));
    let spans = || {
        let mut spans = collector.trace(&trace);
        for span in &mut spans {
            // The topic has the name of this test's database before it.
            if let Some(topic) = span.name.strip_prefix("send ") {
                let topic = topic.split_once('.').map_or(topic, |(_, topic)| topic);
                span.name = format!("send {topic}");
            }
        }
        spans
    };
    let there = || {
        let spans = spans();
        HOPS.iter().all(|(service, name, ..)| find(&spans, service, name).is_some())
    };
    let _ = tokio::time::timeout(PATIENCE, async {
        while !there() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let spans = spans();
    for (service, name, service_around, name_around) in HOPS {
        let names = || spans.iter().map(|span| (&span.service, &span.name)).collect::<Vec<_>>();
        let span =
            find(&spans, service, name).unwrap_or_else(|| panic!("no {service} {name}: {:#?}", names()));
        let around: Vec<_> = spans.iter().filter(|around| around.id == span.parent).collect();
        let found: Vec<_> = around.iter().map(|span| (span.service.as_str(), span.name.as_str())).collect();
        assert_eq!(found, [(service_around, name_around)], "around {service} {name}");
    }
    // Nothing hangs in the air but the first span, whose parent is the caller's.
    let ids: HashSet<_> = spans.iter().map(|span| &span.id).collect();
    let orphans: Vec<_> =
        spans.iter().filter(|span| !ids.contains(&span.parent)).map(|span| &span.name).collect();
    assert_eq!(orphans, ["POST /api/v1/orders"]);
    let place = find(&spans, "gateway", "POST /api/v1/orders").unwrap();
    assert_eq!(place.attributes["http.route"], "/api/v1/orders");
    assert_eq!(place.attributes["http.response.status_code"], "IntValue(201)");
    let insert = find(&spans, "order", "insert orders").unwrap();
    assert_eq!(insert.attributes["db.system.name"], "mongodb");
    assert!(spans.iter().all(|span| !span.failed));
}

#[tokio::test]
async fn a_failed_request_is_kept_though_it_is_not_sampled() {
    let (shop, collector) = shop("trace_failed", 0.0).await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 10).await;
    let (traceparent, well) = trace();
    customer.post_in_trace("/orders", order_of(&[("tea", 1)]), &traceparent).await.expect_status(201);
    shop.platform.process("order-1").unwrap().kill9().await.unwrap();
    shop.platform.process("order-2").unwrap().kill9().await.unwrap();
    let (traceparent, failed) = trace();
    let reply = customer.post_in_trace("/orders", order_of(&[("tea", 1)]), &traceparent).await;
    reply.expect_status(503);
    eventually("the failed one arrives", async || !collector.trace(&failed).is_empty()).await;
    let spans = collector.trace(&failed);
    let request = find(&spans, "gateway", "POST /api/v1/orders").unwrap();
    assert!(request.failed);
    assert_eq!(request.attributes["http.response.status_code"], "IntValue(503)");
    assert!(collector.trace(&well).is_empty());
}
