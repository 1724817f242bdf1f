//! Committed events are published in order; others never are.

use std::collections::HashMap;

use futures::StreamExt as _;
use messaging::{Outbox, OutboxConfig, OutboxGrpc, Topic};
use proto::messaging::v1::outbox_service_server::OutboxService as _;
use proto::messaging::v1::{ListEventsRequest, RepublishRequest};
use service::Shell;
use tonic::Request;

use crate::reader::{Read, Reader};
use crate::world::{World, moved, number};

const SKUS: [&str; 5] = ["tea", "coffee", "milk", "bread", "salt"];

fn reader(world: &World) -> Reader {
    Reader::new(&world.kafka, Topic::Stock)
}

fn by_key(events: &[Read]) -> HashMap<&str, Vec<i64>> {
    let mut numbers = HashMap::<_, Vec<_>>::new();
    for event in events {
        numbers.entry(event.key.as_str()).or_default().push(number(&event.payload));
    }
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn only_committed_events_are_published_and_in_order() {
    let world = World::start("outbox").await;
    world.outbox.relay(&world.kafka, &world.shell.tasks);
    for round in 0..20 {
        world.write(SKUS.map(|sku| moved(sku, -1)).to_vec(), false).await;
        world.write(SKUS.map(|sku| moved(sku, round)).to_vec(), true).await;
    }
    world.until_all_is_sent().await;
    let reader = reader(&world);
    let events = reader.read(100).await;
    assert_eq!(reader.rest().await, []);
    for (key, numbers) in by_key(&events) {
        assert_eq!(numbers, (0..20).collect::<Vec<_>>(), "{key}");
    }
    let event = &events[0];
    assert_eq!(event.header("ce_specversion"), Some("1.0"));
    assert_eq!(event.header("ce_type"), Some("fournines.events.v1.StockEvent"));
    assert_eq!(event.header("ce_source"), Some("/fournines/inventory"));
    assert_eq!(event.header("ce_subject"), Some(event.key.as_str()));
    assert_eq!(event.header("content-type"), Some("application/protobuf"));
    let time: jiff::Timestamp = event.header("ce_time").unwrap().parse().unwrap();
    assert_eq!(event.payload.occurred_at().unwrap(), time);
    world.shell.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_transaction_is_published_whole() {
    let world = World::start("outbox_large").await;
    world.write((0..2_500).map(|number| moved(&format!("s{number}"), number)).collect(), true).await;
    world.outbox.relay(&world.kafka, &world.shell.tasks);
    let mut numbers: Vec<_> = reader(&world).read(2_500).await.iter().map(|event| number(&event.payload)).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..2_500).collect::<Vec<_>>());
    world.shell.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_takes_over_publishing_when_one_has_stopped() {
    let world = World::start("outbox_replicas").await;
    let (first, second) = (Shell::without_admin(), Shell::without_admin());
    world.outbox.relay(&world.kafka, &first.tasks);
    world.write(vec![moved("tea", 1)], true).await;
    world.until_all_is_sent().await;
    world.outbox.relay(&world.kafka, &second.tasks);
    world.write(vec![moved("tea", 2)], true).await;
    world.until_all_is_sent().await;
    first.finish().await.unwrap();
    world.write(vec![moved("tea", 3)], true).await;
    world.until_all_is_sent().await;
    let reader = reader(&world);
    assert_eq!(by_key(&reader.read(3).await)["tea"], [1, 2, 3]);
    assert_eq!(reader.rest().await, []);
    second.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_events_are_listed_and_published_again_under_their_ids() {
    let world = World::start("outbox_again").await;
    let before = primitives::now();
    for number in 0..3 {
        world.write(vec![moved("tea", number)], true).await;
    }
    world.outbox.relay(&world.kafka, &world.shell.tasks);
    world.until_all_is_sent().await;
    let reader = reader(&world);
    let first = reader.read(3).await;

    let grpc = OutboxGrpc::new(world.outbox.clone(), world.shell.drain_signal());
    let (from, to) = (Some(proto::from_timestamp(before)), Some(proto::from_timestamp(primitives::now() + HOUR)));
    let pages = grpc.list_events(Request::new(ListEventsRequest { from, to, as_of: None })).await.unwrap().into_inner();
    let pages: Vec<_> = pages.map(Result::unwrap).collect().await;
    let entries: Vec<_> = pages.into_iter().flat_map(|page| page.entries).collect();
    let listed: Vec<_> = entries.iter().flat_map(|entry| &entry.events).map(|event| event.id.as_str()).collect();
    assert_eq!(listed, first.iter().map(Read::id).collect::<Vec<_>>());
    assert!(entries.iter().all(|entry| entry.sent));

    let entry_ids = vec![entries[1].id.clone(), primitives::EventId::new().to_string()];
    let again = grpc.republish(Request::new(RepublishRequest { entry_ids })).await.unwrap().into_inner();
    assert_eq!(again.entries, 1);
    assert_eq!(reader.read(1).await, first[1..2]);
    assert_eq!(reader.rest().await, []);
    world.shell.finish().await.unwrap();
}

const HOUR: std::time::Duration = std::time::Duration::from_secs(60 * 60);

#[tokio::test(flavor = "multi_thread")]
async fn services_publish_their_own_entries_only() {
    let world = World::start("outbox_sources").await;
    let other = Outbox::new(&world.db, "payment", &OutboxConfig::default());
    other.relay(&world.kafka, &world.shell.tasks);
    world.write(vec![moved("tea", 1)], true).await;
    world.write_to(&other, vec![moved("milk", 2)], true).await;
    let reader = reader(&world);
    assert_eq!(by_key(&reader.read(1).await)["milk"], [2]);
    assert_eq!(reader.rest().await, []);
    assert_eq!(world.unsent().await, 1);
    world.outbox.relay(&world.kafka, &world.shell.tasks);
    assert_eq!(by_key(&reader.read(1).await)["tea"], [1]);
    world.shell.finish().await.unwrap();
}
