//! Replays of events against the real outbox service.

use std::convert::Infallible;
use std::time::Duration;

use devstack::testing::{backing, database_name};
use futures::FutureExt as _;
use jiff::Timestamp;
use messaging::{Event, Outbox, OutboxConfig, OutboxGrpc, Payload};
use mongo::{Abort, Db, MongoConfig, Policy};
use mongodb::bson::{Document, doc};
use nines::events::{Publisher, Service, TimeRange, replay};
use proto::events::v1::StockEvent;
use proto::messaging::v1::outbox_service_server::OutboxServiceServer;
use service::{Deadline, OnFailure, Tasks};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// An outbox that is served on a port of its own, without a relay.
struct Served {
    tasks: Tasks,
    db: Db,
    outbox: Outbox,
    publisher: Publisher,
}

impl Served {
    async fn start(test: &str) -> Self {
        let tasks = Tasks::new(CancellationToken::new());
        let config = MongoConfig::new(backing().await.mongo_uri(), database_name(test));
        let db = Db::connect(&config, &tasks).await.unwrap();
        let soon = Deadline::after(Duration::from_secs(60));
        mongo::migration::migrate(&db, messaging::MIGRATIONS, soon).await.unwrap();
        let outbox = Outbox::new(&db, "inventory", &OutboxConfig::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = tasks.stop_signal();
        let grpc = OutboxGrpc::new(outbox.clone(), stop.clone());
        tasks.spawn("outbox", OnFailure::Stop, async move {
            let serving = Server::builder()
                .add_service(OutboxServiceServer::new(grpc))
                .serve_with_incoming_shutdown(TcpIncoming::from(listener), stop.cancelled_owned());
            serving.await.unwrap();
            Ok::<_, Infallible>(())
        });
        let publisher = Publisher { service: Service::Inventory, address };
        Self { tasks, db, outbox, publisher }
    }

    /// Writes entries of two events each, a millisecond apart, and gives the time after the last.
    async fn write(&self, from: Timestamp, entries: i64) -> Timestamp {
        let at = |entry| from + Duration::from_millis(u64::try_from(entry).unwrap());
        let events: Vec<_> = (0..entries).flat_map(|entry| [0, 1].map(|delta| moved(at(entry), delta))).collect();
        let outbox = self.outbox.clone();
        let written = self.db.transact(Deadline::after(Duration::from_secs(60)), move |session| {
            let (outbox, events) = (outbox.clone(), events.clone());
            async move { outbox.write(session, events).await.map_err(Abort::<Infallible>::from) }.boxed()
        });
        written.await.unwrap();
        at(entries)
    }

    /// Marks entries as published, as the relay does once the broker has acknowledged the events.
    async fn mark_as_sent(&self, filter: Document) {
        self.entries().update_many(filter, doc! { "$unset": { "unsent": "" } }).await.unwrap();
    }

    async fn unsent(&self) -> u64 {
        self.entries().count_documents(doc! { "unsent": true }).await.unwrap()
    }

    fn entries(&self) -> mongodb::Collection<Document> {
        self.db.collection(Policy::Ledger, "outbox")
    }

    async fn stop(self) {
        self.tasks.stop_signal().cancel();
        self.tasks.finished().await;
        assert!(!self.tasks.have_failed());
    }
}

fn moved(at: Timestamp, delta: i64) -> Event {
    let movement_id = primitives::MovementId::new().to_string();
    let occurred_at = Some(proto::from_timestamp(at));
    let event = StockEvent { movement_id, sku: "tea".to_owned(), delta, occurred_at, ..StockEvent::default() };
    Event::new(&Payload::Stock(event), at)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_published_entries_of_a_range_are_republished_page_by_page() {
    let served = Served::start("events_replay").await;
    let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    // More than a page, one entry of which has not been published yet; and one entry after the range.
    let to = served.write(from, 1_200).await;
    served.write(to, 1).await;
    served.mark_as_sent(doc! {}).await;
    let last = mongo::to_bson_time(to - Duration::from_millis(1));
    served.entries().update_one(doc! { "at": last }, doc! { "$set": { "unsent": true } }).await.unwrap();

    // The service lists an hour at a time.
    let hours = Duration::from_secs(2 * 60 * 60);
    let (range, publishers) = (TimeRange { from: from - hours, to }, [served.publisher.clone()]);
    let listed = replay(&publishers, range, true, None).await;
    assert!(listed.all_answered(), "{listed}");
    let [inventory] = listed.services.as_slice() else { panic!("{listed}") };
    assert_eq!((inventory.entries, inventory.events, inventory.waiting), (1_200, 2_400, 1));
    assert_eq!((inventory.first, inventory.last), (Some(from), Some(to - Duration::from_millis(1))));
    assert_eq!((inventory.again, served.unsent().await), (0, 1));

    let report = replay(&publishers, range, false, None).await;
    let [inventory] = report.services.as_slice() else { panic!("{report}") };
    assert_eq!((inventory.entries, inventory.again, inventory.gone), (1_200, 1_199, 0));
    assert_eq!(served.unsent().await, 1_200);
    let again = replay(&publishers, range, false, None).await;
    assert_eq!((again.services[0].waiting, again.services[0].again), (1_200, 0));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_service_is_reported_and_does_not_affect_the_others() {
    let served = Served::start("events_away").await;
    let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let to = served.write(from, 3).await;
    served.mark_as_sent(doc! {}).await;
    // Nothing listens on the discard port.
    let away = |service, address: &str| Publisher { service, address: address.to_owned() };
    let publishers = [
        away(Service::Order, "http://127.0.0.1:9"),
        away(Service::Payment, "http://not an address"),
        served.publisher.clone(),
    ];
    let bound = Duration::from_secs(30);
    let report = tokio::time::timeout(bound, replay(&publishers, TimeRange { from, to }, false, None)).await.unwrap();
    assert!(!report.all_answered());
    let [order, payment, inventory] = report.services.as_slice() else { panic!("{report}") };
    assert!(order.failed.is_some() && payment.failed.is_some(), "{report}");
    assert_eq!((inventory.again, &inventory.failed), (3, &None));
    served.stop().await;
}
