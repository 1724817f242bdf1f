//! The commands for dead letters, on letters of a real consumer.

use std::process::{Output, Stdio};
use std::time::Duration;

use devstack::testing::{backing, database_name};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use messaging::{
    Consumer, ConsumerConfig, Effect, Event, KafkaConfig, Outbox, OutboxConfig, Payload, Received, Refused, Topic,
};
use mongo::{Abort, Db, MongoConfig};
use mongodb::ClientSession;
use proto::events::v1::StockEvent;
use serde_json::Value;
use service::{Deadline, Tasks};
use tokio::process::Command;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The time limit of waits and commands.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// Rejects everything.
struct Never;

impl Effect for Never {
    type Item = ();

    fn read(&self, _: &Received) -> Result<(), String> {
        Err("nothing is wanted".to_owned())
    }

    fn routing_key<'a>(&self, (): &'a ()) -> &'a str {
        ""
    }

    fn apply<'a>(&'a self, _: &'a mut ClientSession, _: &'a [()]) -> BoxFuture<'a, Result<(), Abort<Refused>>> {
        async { Ok(()) }.boxed()
    }
}

/// A platform whose consumer turns every stock event into a dead letter.
struct Platform {
    tasks: Tasks,
    db: Db,
    outbox: Outbox,
    kafka: KafkaConfig,
}

impl Platform {
    async fn start(test: &str) -> Self {
        let tasks = Tasks::new(CancellationToken::new());
        let database = database_name(test);
        let db = Db::connect(&MongoConfig::new(backing().await.mongo_uri(), &database), &tasks).await.unwrap();
        let migrations = [messaging::MIGRATIONS, messaging::INBOX_MIGRATIONS].concat();
        mongo::migration::migrate(&db, &migrations, Deadline::after(PATIENCE)).await.unwrap();
        let kafka = KafkaConfig { prefix: database, ..KafkaConfig::new(backing().await.broker()) };
        let outbox = Outbox::new(&db, "inventory", &OutboxConfig::default());
        outbox.relay(&kafka, &tasks);
        let consumer = Consumer::new(&db, &kafka, &ConsumerConfig::default(), "never", Never);
        consumer.of_topics(&[Topic::Stock]).start(&tasks).unwrap();
        Self { tasks, db, outbox, kafka }
    }

    async fn write(&self, sku: &str) {
        let at = primitives::now();
        let occurred_at = Some(proto::from_timestamp(at));
        let event = StockEvent { sku: sku.to_owned(), delta: 3, occurred_at, ..StockEvent::default() };
        let (outbox, event) = (self.outbox.clone(), Event::new(&Payload::Stock(event), at));
        let written = self.db.transact(Deadline::after(PATIENCE), move |session| {
            let (outbox, event) = (outbox.clone(), event.clone());
            async move { outbox.write(session, [event]).await.map_err(Abort::<Refused>::from) }.boxed()
        });
        written.await.unwrap();
    }

    /// Runs `nines dlt` with these arguments.
    async fn nines(&self, arguments: &[&str]) -> Output {
        nines(arguments, &self.kafka.brokers, &self.kafka.prefix).await
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.nines(&[arguments, &["--json"]].concat()).await;
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Waits until there are this many letters, and gives them.
    async fn until_there_are(&self, count: usize) -> Vec<Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            let output = self.nines(&["list", "--topic", "stock", "--json"]).await;
            let listed = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
            let letters = listed["letters"].as_array().cloned().unwrap_or_default();
            if letters.len() >= count {
                assert_eq!(letters.len(), count);
                return letters;
            }
            assert!(Instant::now() < until, "{count} letters did not come: {output:?}");
            tokio::time::sleep(POLL).await;
        }
    }

    async fn stop(self) {
        self.tasks.stop_signal().cancel();
        self.tasks.finished().await;
        assert!(!self.tasks.have_failed());
    }
}

async fn nines(arguments: &[&str], broker: &str, prefix: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nines"));
    command.arg("dlt").args(arguments).args(["--broker", broker, "--prefix", prefix]);
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_are_listed_shown_and_published_again() {
    let platform = Platform::start("dlt_commands").await;
    platform.write("tea\u{7}").await;
    let letters = platform.until_there_are(1).await;
    let letter = &letters[0];
    assert_eq!(letter["handle"], "stock:0:0");
    assert_eq!((&letter["group"], &letter["reason"]), (&"never".into(), &"nothing is wanted".into()));
    assert_eq!((&letter["key"], &letter["type"]), (&r"tea\u{7}".into(), &"fournines.events.v1.StockEvent".into()));
    assert_eq!(letter["topic"], Topic::Stock.name(&platform.kafka.prefix));
    let text = String::from_utf8(platform.nines(&["list"]).await.stdout).unwrap();
    assert!(text.starts_with("WHEN") && text.ends_with("\nshown: 1\n"), "{text}");

    let shown = platform.nines(&["show", "stock:0:0"]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    for part in ["reason  nothing is wanted\n", "  ce_type: fournines.events.v1.StockEvent\n", "delta: 3,"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }

    let done = platform.nines(&["replay", "stock:0:0", "stock:0:9"]).await;
    let printed = String::from_utf8(done.stdout).unwrap();
    assert_eq!(done.status.code(), Some(1), "{printed}");
    assert!(printed.starts_with("published again: 1\n") && printed.contains("\n  stock:0:9: the topic"), "{printed}");
    // The consumer rejects it again.
    platform.until_there_are(2).await;
    // A letter that becomes a dead letter again meanwhile is not published a second time.
    let done = platform.json(&["replay", "--all"]).await;
    assert_eq!(done["published"][Topic::Stock.name(&platform.kafka.prefix)], 2);
    let letters = platform.until_there_are(4).await;
    assert!(letters.iter().all(|again| again["id"] == letter["id"] && again["key"] == letter["key"]));
    let latest = platform.json(&["list", "--limit", "1"]).await;
    assert_eq!((&latest["letters"][0]["handle"], &latest["earlier"]), (&"stock:0:3".into(), &3.into()));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_topic_or_broker_is_a_clear_error_in_time() {
    let started = Instant::now();
    for (arguments, broker, expected) in [
        (["show", "stock:0:0"], backing().await.broker(), "the broker has no topic \"nobody.stock.events.v1.dlt\""),
        // Nothing listens on the discard port.
        (["list", "--json"], "127.0.0.1:9", "the broker can't be reached"),
        (["replay", "stock:0:0"], "127.0.0.1:9", "the broker can't be reached"),
    ] {
        let output = nines(&arguments, broker, "nobody").await;
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(expected), "{errors}");
    }
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
}
