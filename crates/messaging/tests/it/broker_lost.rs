//! Losing the broker causes lag and nothing else.

use std::collections::BTreeSet;

use devstack::scratch::Scratch;
use devstack::{Backing, BackingOptions, BrokerKind, Progress};
use messaging::Topic;

use crate::reader::Reader;
use crate::world::{PATIENCE, World, moved, number};

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_written_without_a_broker_are_published_once_it_is_back() {
    let scratch = Scratch::create().unwrap();
    let backing = Backing::start(BackingOptions::for_tests(scratch.path()), &Progress::silent()).await.unwrap();
    let world = World::on(&backing.mongo_uri(), &backing.broker(), "broker_lost").await;
    world.outbox.relay(&world.kafka, &world.shell.tasks);
    world.write(vec![moved("tea", 0)], true).await;
    world.until_all_is_sent().await;

    backing.broker_process().kill9().await.unwrap();
    for number in 1..=50 {
        world.write(vec![moved("tea", number), moved("milk", number)], true).await;
    }
    assert!(world.unsent().await > 0);
    // The embedded broker has lost all its data: topics and producer state. Kafka has kept it.
    backing.start_broker_again(PATIENCE).await.unwrap();
    world.until_all_is_sent().await;

    let reader = Reader::new(&world.kafka, Topic::Stock);
    let mut seen = BTreeSet::new();
    let mut numbers = Vec::new();
    let first = match backing.broker_kind() {
        BrokerKind::Tansu => 1,
        BrokerKind::Kafka => 0,
    };
    let mut events = reader.read(100).await;
    events.extend(reader.rest().await);
    // A round that the broker's end interrupted may have been published in part; the first copies are in order.
    for event in events.iter().filter(|event| event.key == "tea") {
        if seen.insert(event.id().to_owned()) {
            numbers.push(number(&event.payload));
        }
    }
    assert_eq!(numbers, (first..=50).collect::<Vec<_>>());
    world.shell.finish().await.unwrap();
    backing.stop().await.unwrap();
}
