//! A database with an outbox.

use std::time::Duration;

use futures::FutureExt as _;
use messaging::{Event, KafkaConfig, Outbox, OutboxConfig, Payload};
use mongo::{Abort, Db, MongoConfig, Policy, TransactError};
use mongodb::bson::{Document, doc};
use proto::events::v1::StockEvent;
use service::{Deadline, Shell};

/// How long a test waits for something to become true.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two checks of a condition.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) outbox: Outbox,
    pub(crate) kafka: KafkaConfig,
    pub(crate) shell: Shell,
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(PATIENCE)
}

/// A movement of stock, with a number.
pub(crate) fn moved(sku: &str, number: i64) -> Event {
    let at = primitives::now();
    let event = StockEvent {
        movement_id: primitives::MovementId::new().to_string(),
        sku: sku.to_owned(),
        delta: number,
        reason: "initial".to_owned(),
        order_id: None,
        occurred_at: Some(proto::from_timestamp(at)),
    };
    Event::new(&Payload::Stock(event), at)
}

/// The number of a movement.
pub(crate) fn number(payload: &Payload) -> i64 {
    match payload {
        Payload::Stock(event) => event.delta,
        other => panic!("{other:?} is no movement"),
    }
}

impl World {
    pub(crate) async fn start(test: &str) -> Self {
        let backing = devstack::testing::backing().await;
        Self::on(backing.mongo_uri(), backing.broker(), test).await
    }

    pub(crate) async fn on(mongo_uri: &str, broker: &str, test: &str) -> Self {
        let database = devstack::testing::database_name(test);
        let shell = Shell::without_admin();
        let db = Db::connect(&MongoConfig::new(mongo_uri, &database), &shell.tasks).await.unwrap();
        mongo::migration::migrate(&db, &[messaging::MIGRATIONS, messaging::INBOX_MIGRATIONS].concat(), soon())
            .await
            .unwrap();
        let outbox = Outbox::new(&db, "inventory", &OutboxConfig::default());
        Self { db, outbox, kafka: KafkaConfig { prefix: database, ..KafkaConfig::new(broker) }, shell }
    }

    /// Writes events in a transaction of their own, which is committed or aborted.
    pub(crate) async fn write(&self, events: Vec<Event>, commit: bool) {
        self.write_to(&self.outbox, events, commit).await;
    }

    /// The same for another service's outbox.
    pub(crate) async fn write_to(&self, outbox: &Outbox, events: Vec<Event>, commit: bool) {
        let outbox = outbox.clone();
        let written = self.db.transact(soon(), move |session| {
            let (outbox, events) = (outbox.clone(), events.clone());
            async move {
                outbox.write(session, events).await?;
                if commit { Ok(()) } else { Err(Abort::Refused("not this time")) }
            }
            .boxed()
        });
        match written.await {
            Ok(()) => assert!(commit),
            Err(TransactError::Refused(_)) => assert!(!commit),
            Err(TransactError::Store(error)) => panic!("{error:?}"),
        }
    }

    /// The number of unsent entries.
    pub(crate) async fn unsent(&self) -> u64 {
        let entries = self.db.collection::<Document>(Policy::Ledger, "outbox");
        entries.count_documents(doc! { "unsent": true }).await.unwrap()
    }

    pub(crate) async fn until_all_is_sent(&self) {
        eventually("everything is sent", async || self.unsent().await == 0).await;
    }
}

/// Waits until a condition is true.
pub(crate) async fn eventually(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_true().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "{what}: not within {PATIENCE:?}");
}
