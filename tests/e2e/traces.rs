//! What a collector of traces is sent.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use end_to_end::{Client, Collected, Collector, Shop, eventually, everywhere, order_of};
use futures::future::join_all;
use tokio::time::timeout;

async fn shop(test: &str, ratio: f64) -> (Shop, Collector) {
    let (collector, endpoint) = Collector::start().await;
    let settings = toml::toml! {
        [telemetry]
        otlp_endpoint = endpoint
        sample_ratio = ratio
        slow_ms = 60_000
    };
    (Shop::open_with(test, everywhere(&settings)).await, collector)
}

/// A trace id of the caller's own, as a `traceparent`.
fn trace() -> (String, String) {
    let id = uuid::Uuid::new_v4().simple().to_string();
    (format!("00-{id}-00f067aa0ba902b7-00"), id)
}

fn find<'a>(spans: &'a [Collected], service: &str, name: &str) -> Option<&'a Collected> {
    spans.iter().find(|span| span.service == service && span.name == name)
}

/// The names of the spans whose parent has not arrived.
fn without_parent(spans: &[Collected]) -> Vec<&str> {
    let ids: HashSet<_> = spans.iter().map(|span| &span.id).collect();
    spans.iter().filter(|span| !ids.contains(&span.parent)).map(|span| span.name.as_str()).collect()
}

/// How long the last span may take.
const PATIENCE: Duration = Duration::from_secs(90);

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
/// Of the order or of its stock: whichever of the two events comes first leads the batch of both.
const SEND: &str = "send ";
/// What is done for several orders at once: process and span, and the spans that it is in or points to.
const BATCHES: [(&str, &str, &str); 2] =
    [("order", "commit batch", PLACE), ("reconciliation", "process reconciliation", SEND)];
/// So many orders of one product that most wait for the batch before theirs.
const AT_ONCE: usize = 16;
/// How long a process tries to send spans; what waited for that would take as long.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a process may take to end.
const END: Duration = Duration::from_secs(15);

#[tokio::test]
async fn traces_are_whole_and_linked_and_a_collector_that_hangs_holds_nobody_up() {
    let (shop, collector) = shop("trace_order", 1.0).await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 100_000).await;
    one_order_is_one_trace_with_every_hop(&customer, &collector).await;
    batches_point_to_each_order_in_them(&customer, &collector).await;
    a_collector_that_hangs_holds_nobody_up(&shop, &customer, &collector).await;
}

async fn one_order_is_one_trace_with_every_hop(customer: &Client, collector: &Collector) {
    let (traceparent, trace) = trace();
    let reply = customer.post_in_trace("/orders", order_of(&[("tea", 1)]), &traceparent).await;
    assert!(reply.expect_status(201).header("traceparent").unwrap().contains(&trace));
    let mut spans = collector.trace(&trace);
    let is_whole = |spans: &[Collected]| {
        let hops = HOPS.iter().all(|(service, name, ..)| find(spans, service, name).is_some());
        hops && without_parent(spans).len() == 1
    };
    let _ = timeout(PATIENCE, async {
        while !is_whole(&spans) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            spans = collector.trace(&trace);
        }
    })
    .await;
    for (service, name, service_around, name_around) in HOPS {
        let names = || spans.iter().map(|span| (&span.service, &span.name)).collect::<Vec<_>>();
        let span = find(&spans, service, name).unwrap_or_else(|| panic!("no {service} {name}: {:#?}", names()));
        let around: Vec<_> = spans.iter().filter(|around| around.id == span.parent).collect();
        let [around] = around[..] else { panic!("{service} {name} is in {} spans", around.len()) };
        let found = (around.service.as_str(), around.name.as_str());
        assert!(
            found.0 == service_around && found.1.starts_with(name_around),
            "{service} {name} is in {found:?}, not in {service_around} {name_around}"
        );
    }
    // Nothing hangs in the air but the first span, whose parent is the caller's.
    assert_eq!(without_parent(&spans), ["POST /api/v1/orders"]);
    let place = find(&spans, "gateway", "POST /api/v1/orders").unwrap();
    assert_eq!(place.attributes["http.route"], "/api/v1/orders");
    assert_eq!(place.attributes["http.response.status_code"], "IntValue(201)");
    let insert = find(&spans, "order", "insert orders").unwrap();
    assert_eq!(insert.attributes["db.system.name"], "mongodb");
    assert!(spans.iter().all(|span| !span.failed));
}

async fn batches_point_to_each_order_in_them(customer: &Client, collector: &Collector) {
    let mut placed = HashSet::new();
    eventually("batches of several orders", async || {
        let traces: [_; AT_ONCE] = std::array::from_fn(|_| trace());
        let orders = traces
            .iter()
            .map(|(traceparent, _)| customer.post_in_trace("/orders", order_of(&[("tea", 1)]), traceparent));
        for reply in join_all(orders).await {
            reply.expect_status(201);
        }
        placed.extend(traces.map(|(_, trace)| trace));
        let spans = collector.spans();
        BATCHES.iter().all(|(service, name, _)| batches(&spans, service, name).any(|batch| !batch.links.is_empty()))
    })
    .await;
    for (service, name, member) in BATCHES {
        eventually(&format!("each order is seen in a {name}"), async || {
            let spans = collector.spans();
            let by_id: HashMap<_, _> = spans.iter().map(|span| (&span.id, span)).collect();
            let members = batches(&spans, service, name)
                .flat_map(|batch| batch.links.iter().chain([&batch.parent]))
                .filter_map(|id| by_id.get(id))
                .filter(|span| span.name.starts_with(member));
            placed.is_subset(&members.map(|span| span.trace.clone()).collect())
        })
        .await;
    }
}

fn batches<'a>(spans: &'a [Collected], service: &str, name: &str) -> impl Iterator<Item = &'a Collected> {
    spans.iter().filter(move |span| span.service == service && span.name == name)
}

async fn a_collector_that_hangs_holds_nobody_up(shop: &Shop, customer: &Client, collector: &Collector) {
    collector.hang();
    eventually("all wait for the collector", async || {
        let order = customer.post_keyed("/orders", order_of(&[("tea", 1)]));
        timeout(EXPORT_TIMEOUT, order).await.expect("an order waits, too").expect_status(201);
        let unanswered = collector.unanswered();
        ["gateway", "order", "risk"].iter().all(|service| unanswered.contains(*service))
    })
    .await;
    let ended = shop.platform.processes().map(async |(process, ..)| {
        let status = process.terminate(END).await.unwrap();
        assert!(status.success(), "{} ended with {status}", process.name());
    });
    join_all(ended).await;
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
