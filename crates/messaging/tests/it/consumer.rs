//! Each event has its effect once and in its key's order, whether or not others fail.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use devstack::BrokerKind;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use messaging::{Consumer, ConsumerConfig, Effect, Payload, Received, Refused, Topic};
use mongo::{Abort, Policy};
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use service::Shell;

use crate::reader::{RawReader, Reader};
use crate::world::{World, eventually, moved};

/// A number that can't be applied.
const UNUSABLE: i64 = -999;

/// Keeps the numbers of each SKU in the order in which they were applied.
#[derive(Clone)]
struct Numbers {
    effects: mongodb::Collection<Document>,
    /// The SKUs that can't be applied at present.
    refused: Arc<Mutex<HashSet<String>>>,
    /// The number of events of each call.
    batches: Arc<Mutex<Vec<usize>>>,
}

impl Numbers {
    fn new(world: &World) -> Self {
        Self {
            effects: world.db.collection(Policy::Ledger, "effects"),
            refused: Arc::default(),
            batches: Arc::default(),
        }
    }

    fn refuse(&self, sku: &str, refuse: bool) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refuse {
            refused.insert(sku.to_owned());
        } else {
            refused.remove(sku);
        }
    }

    fn is_refused(&self, sku: &str) -> bool {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).contains(sku)
    }

    async fn of(&self, sku: &str) -> Vec<i64> {
        let found = self.effects.find_one(doc! { "_id": sku }).await.unwrap();
        found.map_or_else(Vec::new, |found| {
            found.get_array("numbers").unwrap().iter().map(|number| number.as_i64().unwrap()).collect()
        })
    }
}

impl Effect for Numbers {
    type Item = (String, i64);

    fn read(&self, event: &Received) -> Result<Self::Item, String> {
        match &event.payload {
            Payload::Stock(moved) if moved.delta != UNUSABLE => Ok((moved.sku.clone(), moved.delta)),
            _ => Err("no number".to_owned()),
        }
    }

    fn routing_key<'a>(&self, (sku, _): &'a Self::Item) -> &'a str {
        sku
    }

    fn apply<'a>(
        &'a self,
        session: &'a mut ClientSession,
        items: &'a [Self::Item],
    ) -> BoxFuture<'a, Result<(), Abort<Refused>>> {
        async move {
            self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(items.len());
            let mut by_sku = BTreeMap::<_, Vec<i64>>::new();
            for (sku, number) in items {
                if self.is_refused(sku) {
                    return Err(Abort::Refused(Refused(format!("{sku} is not wanted"))));
                }
                by_sku.entry(sku).or_default().push(*number);
            }
            for (sku, numbers) in by_sku {
                let push = doc! { "$push": { "numbers": { "$each": numbers } } };
                self.effects.update_one(doc! { "_id": sku }, push).upsert(true).session(&mut *session).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

fn quick() -> ConsumerConfig {
    ConsumerConfig { first_pause_ms: 10, parked_period_ms: 100, linger_ms: 0, ..ConsumerConfig::default() }
}

fn start(world: &World, effect: &Numbers, config: &ConsumerConfig) -> Shell {
    let shell = Shell::without_admin();
    let consumer = Consumer::new(&world.db, &world.kafka, config, "numbers", effect.clone());
    consumer.of_topics(&[Topic::Stock]).start(&shell.tasks).unwrap();
    shell
}

async fn until_applied(effect: &Numbers, skus: &[&str], numbers: std::ops::Range<i64>) {
    for sku in skus {
        eventually(&format!("{sku} is applied"), async || effect.of(sku).await.len() >= numbers.clone().count()).await;
        assert_eq!(effect.of(sku).await, numbers.clone().collect::<Vec<_>>(), "{sku}");
    }
}

const SKUS: [&str; 5] = ["tea", "coffee", "milk", "bread", "salt"];

#[tokio::test(flavor = "multi_thread")]
async fn events_in_quick_succession_are_applied_together() {
    let world = World::start("linger").await;
    world.outbox.relay(&world.kafka, &world.shell.tasks);
    let effect = Numbers::new(&world);
    let consumer = start(&world, &effect, &ConsumerConfig { linger_ms: 3_000, ..quick() });
    world.write(vec![moved("tea", 0)], true).await;
    until_applied(&effect, &["tea"], 0..1).await;
    for number in 1..6 {
        world.write(vec![moved("tea", number)], true).await;
        world.until_all_is_sent().await;
    }
    until_applied(&effect, &["tea"], 0..6).await;
    let batches = effect.batches.lock().unwrap().clone();
    assert!(batches.len() <= 3, "{batches:?}");
    consumer.finish().await.unwrap();
    world.shell.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_delivered_again_count_once() {
    let world = World::start("consumer").await;
    world.outbox.relay(&world.kafka, &world.shell.tasks);
    let effect = Numbers::new(&world);
    let consumer = start(&world, &effect, &quick());
    for number in 0..100 {
        world.write(SKUS.map(|sku| moved(sku, number)).to_vec(), true).await;
    }
    until_applied(&effect, &SKUS, 0..100).await;
    // All of them are published again, with more behind them.
    let outbox = world.db.collection::<Document>(Policy::Ledger, "outbox");
    outbox.update_many(doc! {}, doc! { "$set": { "unsent": true } }).await.unwrap();
    world.until_all_is_sent().await;
    for number in 100..110 {
        world.write(SKUS.map(|sku| moved(sku, number)).to_vec(), true).await;
    }
    until_applied(&effect, &SKUS, 0..110).await;
    consumer.finish().await.unwrap();
    let inbox = world.db.collection::<Document>(Policy::Ledger, "inbox");
    assert_eq!(inbox.count_documents(doc! {}).await.unwrap(), 550);
    world.shell.finish().await.unwrap();
}

/// Consumers join and leave while events are written. On Kafka they run in parallel, and one joins during another's
/// rebalance. On the embedded broker, whose groups do not survive that, each takes over from the one before.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_under_load_neither_repeats_nor_loses_an_effect() {
    let world = World::start("rebalance").await;
    world.outbox.relay(&world.kafka, &world.shell.tasks);
    let effect = Numbers::new(&world);
    let skus: Vec<_> = (0..30).map(|number| format!("sku-{number}")).collect();
    let skus: Vec<_> = skus.iter().map(String::as_str).collect();
    let mut next = 0;
    let mut write = async |count: i64| {
        for number in next..next + count {
            world.write(skus.iter().map(|sku| moved(sku, number)).collect(), true).await;
        }
        next += count;
    };
    let side_by_side = devstack::testing::backing().await.connection().broker_kind == BrokerKind::Kafka;
    let mut running = vec![start(&world, &effect, &quick())];
    write(40).await;
    eventually("the first consumes", async || !effect.of(skus[0]).await.is_empty()).await;
    for _ in 0..2 {
        if side_by_side {
            running.push(start(&world, &effect, &quick()));
            write(40).await;
        }
        running.remove(0).finish().await.unwrap();
        if !side_by_side {
            let before = effect.of(skus[0]).await.len();
            running.push(start(&world, &effect, &quick()));
            write(40).await;
            eventually("the next consumes", async || effect.of(skus[0]).await.len() > before).await;
        }
    }
    until_applied(&effect, &skus, 0..120).await;
    for consumer in running {
        consumer.finish().await.unwrap();
    }
    world.shell.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_can_never_be_applied_becomes_a_dead_letter_and_delays_nothing() {
    let world = World::start("poison").await;
    world.outbox.relay(&world.kafka, &world.shell.tasks);
    let effect = Numbers::new(&world);
    world.write(vec![moved("tea", 0), moved("tea", UNUSABLE), moved("tea", 1)], true).await;
    world.until_all_is_sent().await;
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", &world.kafka.brokers).create().unwrap();
    let topic = Topic::Stock.name(&world.kafka.prefix);
    let headers = OwnedHeaders::new().insert(Header { key: "ce_id", value: Some("no id") });
    let garbage = FutureRecord::to(&topic).key("tea").payload(&[0xff, 0xff]).headers(headers);
    producer.send(garbage, Duration::from_secs(10)).await.unwrap();
    world.write(vec![moved("tea", 2), moved("milk", 0)], true).await;

    let consumer = start(&world, &effect, &quick());
    until_applied(&effect, &["tea"], 0..3).await;
    until_applied(&effect, &["milk"], 0..1).await;
    let letters = RawReader::new(&world.kafka, &Topic::Stock.dead_letters(&world.kafka.prefix), 1).read(2).await;
    assert_eq!(letters[0].header("dlt_reason"), Some("no number"));
    assert_eq!(letters[0].header("dlt_topic"), Some(topic.as_str()));
    assert_eq!(letters[0].header("ce_type"), Some("fournines.events.v1.StockEvent"));
    assert_eq!(letters[1].header("dlt_reason"), Some("the event has no valid id"));
    assert_eq!((letters[1].key.as_str(), letters[1].payload.as_slice()), ("tea", &[0xff, 0xff][..]));
    assert!(letters.iter().all(|letter| letter.header("dlt_offset").is_some()));
    // They are not delivered again after a restart, since their offsets are committed.
    consumer.finish().await.unwrap();
    world.shell.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_keeps_failing_is_parked_in_order_and_delays_no_other() {
    let world = World::start("parked").await;
    world.outbox.relay(&world.kafka, &world.shell.tasks);
    let effect = Numbers::new(&world);
    effect.refuse("tea", true);
    let consumer = start(&world, &effect, &quick());
    for number in 0..20 {
        world.write(vec![moved("tea", number), moved("milk", number), moved("salt", number)], true).await;
    }
    until_applied(&effect, &["milk", "salt"], 0..20).await;
    let parked = world.db.collection::<Document>(Policy::Ledger, "parked_events");
    eventually("the key is parked", async || parked.count_documents(doc! {}).await.unwrap() == 20).await;
    assert_eq!(effect.of("tea").await, [0_i64; 0]);
    // It waits in the database, not at the broker: a restart changes nothing, and later events are parked behind it.
    consumer.finish().await.unwrap();
    let consumer = start(&world, &effect, &quick());
    for number in 20..25 {
        world.write(vec![moved("tea", number), moved("milk", number)], true).await;
    }
    until_applied(&effect, &["milk"], 0..25).await;
    eventually("they are parked too", async || parked.count_documents(doc! {}).await.unwrap() == 25).await;
    effect.refuse("tea", false);
    until_applied(&effect, &["tea"], 0..25).await;
    let keys = world.db.collection::<Document>(Policy::Ledger, "parked_keys");
    assert_eq!(keys.count_documents(doc! {}).await.unwrap(), 0);
    let inbox = world.db.collection::<Document>(Policy::Ledger, "inbox");
    assert_eq!(inbox.count_documents(doc! { "parked": true }).await.unwrap(), 0);
    consumer.finish().await.unwrap();
    world.shell.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_fails_for_too_long_is_given_up_event_by_event() {
    let world = World::start("given_up").await;
    world.outbox.relay(&world.kafka, &world.shell.tasks);
    let effect = Numbers::new(&world);
    effect.refuse("tea", true);
    let consumer = start(&world, &effect, &ConsumerConfig { parked_hours: 0, ..quick() });
    world.write(vec![moved("tea", 0), moved("tea", 1)], true).await;
    let dead = Topic::Stock.dead_letters(&world.kafka.prefix);
    let letters = RawReader::new(&world.kafka, &dead, 1).read(2).await;
    assert!(letters.iter().all(|letter| letter.header("dlt_reason") == Some("tea is not wanted")));
    let keys = world.db.collection::<Document>(Policy::Ledger, "parked_keys");
    eventually("nothing is parked", async || keys.count_documents(doc! {}).await.unwrap() == 0).await;
    // They are not in the inbox, so that they can be replayed.
    let inbox = world.db.collection::<Document>(Policy::Ledger, "inbox");
    assert_eq!(inbox.count_documents(doc! {}).await.unwrap(), 0);
    let events: Vec<_> = letters.iter().map(|letter| letter.header("ce_id").unwrap().to_owned()).collect();
    assert_eq!(events.iter().collect::<HashSet<_>>().len(), 2);
    consumer.finish().await.unwrap();
    world.shell.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_topics_of_a_group_are_read_from_their_beginning() {
    let world = World::start("beginning").await;
    world.outbox.relay(&world.kafka, &world.shell.tasks);
    world.write(vec![moved("tea", 7)], true).await;
    world.until_all_is_sent().await;
    assert_eq!(Reader::new(&world.kafka, Topic::Stock).read(1).await.len(), 1);
    let effect = Numbers::new(&world);
    let consumer = start(&world, &effect, &quick());
    until_applied(&effect, &["tea"], 7..8).await;
    consumer.finish().await.unwrap();
    world.shell.finish().await.unwrap();
}
