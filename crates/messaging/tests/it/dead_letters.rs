//! Dead letters are listed at the broker, and replayed unchanged.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use messaging::{
    Consumer, ConsumerConfig, DeadLetterError, DeadLetterLog, Effect, KafkaConfig, Letter, LetterPosition, Origin,
    Received, Refused, Topic, Unreadable,
};
use mongo::{Abort, Policy};
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use service::Shell;

use crate::world::{World, eventually, moved, number};

/// The time-out of an unreachable broker, and a margin.
const BOUND: Duration = Duration::from_secs(15);
type Headers = Vec<(String, Option<Vec<u8>>)>;

/// Keeps the numbers of movements in the order in which they were applied, unless it is set to refuse.
#[derive(Clone)]
struct Picky {
    effects: mongodb::Collection<Document>,
    reads: Arc<AtomicBool>,
    applies: Arc<AtomicBool>,
}

impl Picky {
    fn new(world: &World) -> Self {
        let effects = world.db.collection(Policy::Ledger, "effects");
        Self { effects, reads: Arc::new(AtomicBool::new(true)), applies: Arc::new(AtomicBool::new(true)) }
    }

    fn start(&self, world: &World, config: &ConsumerConfig) -> Shell {
        let shell = Shell::without_admin();
        let consumer = Consumer::new(&world.db, &world.kafka, config, "picky", self.clone());
        consumer.of_topics(&[Topic::Stock]).start(&shell.tasks).unwrap();
        shell
    }

    async fn until_applied(&self, numbers: &[i64]) {
        let applied = async || {
            let found = self.effects.find_one(doc! { "_id": "numbers" }).await.unwrap();
            let found = found.map(|found| found.get_array("numbers").unwrap().clone());
            found.unwrap_or_default().iter().map(|number| number.as_i64().unwrap()).collect::<Vec<_>>()
        };
        eventually("it is applied", async || applied().await.len() >= numbers.len()).await;
        assert_eq!(applied().await, numbers);
    }
}

impl Effect for Picky {
    type Item = i64;

    fn read(&self, event: &Received) -> Result<i64, String> {
        let reads = self.reads.load(Ordering::SeqCst);
        reads.then(|| number(&event.payload)).ok_or_else(|| "not to be read".to_owned())
    }

    fn routing_key<'a>(&self, _: &'a i64) -> &'a str {
        ""
    }

    fn apply<'a>(
        &'a self,
        session: &'a mut ClientSession,
        items: &'a [i64],
    ) -> BoxFuture<'a, Result<(), Abort<Refused>>> {
        async move {
            if !self.applies.load(Ordering::SeqCst) {
                return Err(Abort::Refused(Refused("not to be applied".to_owned())));
            }
            let push = doc! { "$push": { "numbers": { "$each": items } } };
            self.effects.update_one(doc! { "_id": "numbers" }, push).upsert(true).session(session).await?;
            Ok(())
        }
        .boxed()
    }
}

fn quick() -> ConsumerConfig {
    ConsumerConfig {
        first_pause_ms: 10,
        parked_period_ms: 100,
        parked_hours: 0,
        linger_ms: 0,
        ..ConsumerConfig::default()
    }
}

fn position(offset: i64) -> LetterPosition {
    LetterPosition { topic: Topic::Stock, partition: 0, offset }
}

async fn read(log: &DeadLetterLog) -> Vec<Letter> {
    let mut letters = log.all(Topic::Stock).await.unwrap();
    let mut read = Vec::new();
    while let Some(letter) = letters.next().await.unwrap() {
        read.push(letter);
    }
    read
}

async fn until_there_are(log: &DeadLetterLog, count: usize) -> Vec<Letter> {
    eventually("the letters are there", async || match log.all(Topic::Stock).await {
        Ok(_) => read(log).await.len() >= count,
        Err(DeadLetterError::NoTopic(_)) => false,
        Err(error) => panic!("{error:?}"),
    })
    .await;
    let letters = read(log).await;
    assert_eq!(letters.len(), count);
    letters
}

/// The headers without those of a dead letter.
fn own(letter: &Letter) -> Headers {
    let headers = letter.headers().map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)));
    headers.filter(|(name, _)| !name.starts_with("dlt_")).collect()
}

fn producer(kafka: &KafkaConfig) -> FutureProducer {
    ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_listed_with_its_reason_and_applied_once_when_replayed() {
    let world = World::start("dead_read").await;
    world.outbox.relay(&world.kafka, &world.shell.tasks);
    let effect = Picky::new(&world);
    effect.reads.store(false, Ordering::SeqCst);
    let consumer = effect.start(&world, &quick());
    let event = moved("tea", 7);
    let before = primitives::now();
    world.write(vec![event.clone()], true).await;

    let log = DeadLetterLog::new(&world.kafka);
    let letters = until_there_are(&log, 1).await;
    let letter = &letters[0];
    let topic = Topic::Stock.name(&world.kafka.prefix);
    assert_eq!(letter.position(), position(0));
    assert_eq!((letter.reason(), letter.group()), (Some("not to be read"), Some("picky")));
    assert_eq!(letter.origin().topic, topic);
    assert_eq!(letter.origin().position.unwrap().1, 0);
    assert_eq!(letter.key(), Some(&b"tea"[..]));
    assert_eq!(letter.event_id(), Some(event.id().to_string().as_str()));
    assert_eq!(letter.event_type(), Some("fournines.events.v1.StockEvent"));
    assert_eq!(number(&letter.decoded().unwrap()), 7);
    assert!(letter.at().unwrap() >= before);

    effect.reads.store(true, Ordering::SeqCst);
    let sent = log.replay(letter).await.unwrap();
    assert_eq!((sent.topic.as_str(), sent.offset), (topic.as_str(), 1));
    effect.until_applied(&[7]).await;
    // Another replay changes nothing: a later event is applied, and this one is not.
    let kept = log.get(position(0)).await.unwrap();
    assert_eq!(own(&kept), own(letter));
    log.replay(&kept).await.unwrap();
    world.write(vec![moved("tea", 8)], true).await;
    effect.until_applied(&[7, 8]).await;
    assert_eq!(read(&log).await.len(), 1);
    consumer.finish().await.unwrap();
    world.shell.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_of_parked_events_are_replayed_too() {
    let world = World::start("dead_parked").await;
    world.outbox.relay(&world.kafka, &world.shell.tasks);
    let effect = Picky::new(&world);
    effect.applies.store(false, Ordering::SeqCst);
    let consumer = effect.start(&world, &quick());
    world.write(vec![moved("tea", 0), moved("tea", 1), moved("tea", 2)], true).await;

    let log = DeadLetterLog::new(&world.kafka);
    let letters = until_there_are(&log, 3).await;
    let topic = Topic::Stock.name(&world.kafka.prefix);
    assert!(letters.iter().all(|letter| letter.reason() == Some("not to be applied")));
    assert!(letters.iter().all(|letter| letter.origin() == Origin { topic: &topic, position: None }));

    let mut last = log.last(Topic::Stock, NonZeroU32::new(2).unwrap()).await.unwrap();
    assert_eq!(last.earlier(), 1);
    assert_eq!(last.next().await.unwrap().unwrap().position(), position(1));
    assert_eq!(last.next().await.unwrap().unwrap().position(), position(2));
    assert!(last.next().await.unwrap().is_none());

    // A letter may exist before its event has left the parked events, where it would be retried.
    let parked = world.db.collection::<Document>(Policy::Ledger, "parked_events");
    eventually("nothing is parked", async || parked.count_documents(doc! {}).await.unwrap() == 0).await;
    effect.applies.store(true, Ordering::SeqCst);
    for letter in &letters {
        log.replay(letter).await.unwrap();
    }
    effect.until_applied(&[0, 1, 2]).await;
    consumer.finish().await.unwrap();
    world.shell.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_replayed_byte_for_byte() {
    let world = World::start("dead_garbage").await;
    let effect = Picky::new(&world);
    let consumer = effect.start(&world, &quick());
    let log = DeadLetterLog::new(&world.kafka);
    until_there_are(&log, 0).await;

    let garbage: [(&str, Option<&[u8]>); 6] = [
        ("ce_id", Some(b"no id")),
        ("x", Some(&[0xff, 0x00, 0xfe, b'\n'])),
        ("x", Some(b"again")),
        ("x", None),
        ("empty", Some(b"")),
        ("é\u{1b}[31m", Some("ü".as_bytes())),
    ];
    let earlier_death = ("dlt_reason", Some(&b"an earlier death"[..]));
    let headers = garbage
        .iter()
        .chain([&earlier_death])
        .fold(OwnedHeaders::new(), |headers, one| headers.insert(Header { key: one.0, value: one.1 }));
    let topic = Topic::Stock.name(&world.kafka.prefix);
    let (key, payload): ([u8; 3], [u8; 2]) = ([0xfe, 0x00, b'k'], [0xff, 0xff]);
    let record = FutureRecord::to(&topic).key(&key).payload(&payload).headers(headers);
    producer(&world.kafka).send(record, BOUND).await.unwrap();

    let letters = until_there_are(&log, 1).await;
    let sent: Headers = garbage.iter().map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect();
    assert_eq!(own(&letters[0]), sent);
    assert_eq!(letters[0].reason(), Some(Unreadable::Id.to_string().as_str()));
    assert_eq!(letters[0].decoded(), Err(Unreadable::Type(String::new())));
    assert_eq!((letters[0].event_id(), letters[0].event_type()), (Some("no id"), None));

    // It is still garbage, so it becomes the same dead letter again.
    log.replay(&letters[0]).await.unwrap();
    let letters = until_there_are(&log, 2).await;
    for letter in &letters {
        assert_eq!(own(letter), sent);
        assert_eq!((letter.key(), letter.payload()), (Some(&key[..]), Some(&payload[..])));
    }
    assert_eq!(letters[0].origin().position.unwrap().1 + 1, letters[1].origin().position.unwrap().1);
    consumer.finish().await.unwrap();
    world.shell.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_letters_and_unknown_origins_are_reported_in_time() {
    let world = World::start("dead_errors").await;
    let log = DeadLetterLog::new(&world.kafka);
    let no_topic = log.get(position(0)).await.unwrap_err();
    let dead = Topic::Stock.dead_letters(&world.kafka.prefix);
    assert!(matches!(&no_topic, DeadLetterError::NoTopic(name) if *name == dead), "{no_topic:?}");

    // A consumer creates the topics.
    let consumer = Picky::new(&world).start(&world, &quick());
    until_there_are(&log, 0).await;
    let elsewhere = OwnedHeaders::new().insert(Header { key: "dlt_topic", value: Some("another.topic") });
    for headers in [OwnedHeaders::new(), elsewhere] {
        let record = FutureRecord::to(&dead).key("tea").payload("?").headers(headers);
        producer(&world.kafka).send(record, BOUND).await.unwrap();
    }
    for (letter, origin) in until_there_are(&log, 2).await.iter().zip(["", "another.topic"]) {
        assert_eq!((letter.reason(), letter.group()), (None, None));
        assert!(letter.at().is_some());
        let refused = log.replay(letter).await.unwrap_err();
        assert!(matches!(&refused, DeadLetterError::UnknownOrigin(name) if name == origin), "{refused:?}");
    }
    for nowhere in [position(2), position(-1), position(i64::MAX), LetterPosition { partition: 1, ..position(0) }] {
        let nothing = log.get(nowhere).await.unwrap_err();
        assert!(matches!(nothing, DeadLetterError::NoLetter { .. }), "{nothing:?}");
    }

    // No process listens on the discard port.
    let started = Instant::now();
    let away = DeadLetterLog::new(&KafkaConfig::new("127.0.0.1:9"));
    let error = away.get(position(0)).await.unwrap_err();
    assert!(matches!(error, DeadLetterError::Broker(_)), "{error:?}");
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    consumer.finish().await.unwrap();
    world.shell.finish().await.unwrap();
}
