//! An order reaches its statement once, whatever dies on the way.

use std::collections::HashSet;
use std::time::Duration;

use devstack::scratch::Scratch;
use devstack::{Backing, BackingOptions, Progress};
use end_to_end::{Client, Overrides, Shop, fresh_key, order_of};
use futures::StreamExt as _;
use mongodb::bson::{Document, doc};
use mongodb::{Collection, Database};
use serde_json::{Value, json};

const BUYERS: usize = 64;
const EACH: usize = 313;
/// How long everything may take: orders, and what is left of the way to their statements.
const PATIENCE: Duration = Duration::from_secs(300);

/// Something that is killed and started again while orders are placed.
enum Victim {
    Broker,
    Process(&'static str),
}

/// More than 20,000 orders, while the broker goes away (the embedded one loses all that it had), the process that makes
/// statements and those that publish are killed. Each order is in the statements once, and the books are equal.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_orders_reach_their_statements_once_whatever_dies() {
    let scratch = Scratch::create().unwrap();
    let backing = Backing::start(BackingOptions::for_tests(scratch.path()), &Progress::silent()).await.unwrap();
    let settings = toml::toml! { [reconciliation]
    settle_ms = 15_000
    incremental_period_ms = 1_000 };
    let overrides = Overrides::from([("reconciliation".to_owned(), settings)]);
    let shop = Shop::open_on(backing.connection(), "events", overrides).await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    let total = BUYERS * EACH;
    shop.product(&admin, "tea", 450, i64::try_from(total).unwrap()).await;

    let buying = futures::stream::iter(0..BUYERS).for_each_concurrent(None, |_| buy(&customer));
    let killing = async {
        let sold = [
            (1_000, Victim::Process("reconciliation")),
            (3_000, Victim::Broker),
            (6_000, Victim::Process("order-1")),
            (8_000, Victim::Process("order-2")),
            (10_000, Victim::Process("reconciliation")),
            (12_000, Victim::Broker),
            (14_000, Victim::Process("inventory")),
            (16_000, Victim::Process("order-1")),
            (18_000, Victim::Process("reconciliation")),
        ];
        for (sold, victim) in sold {
            until("more is sold", async || shop.available("tea").await <= i64::try_from(total).unwrap() - sold).await;
            kill(&shop, &backing, &victim).await;
        }
    };
    futures::join!(buying, killing);
    assert_eq!(shop.available("tea").await, 0);
    shop.verify_books().await;

    let lines = lines(&shop).await;
    let placed = doc! { "kind": "order_placed" };
    let count = u64::try_from(total).unwrap();
    until("every order is in the statements", async || lines.count_documents(placed.clone()).await.unwrap() >= count)
        .await;
    // An event that is not applied is a difference once it is older than `settle_ms`. The reported lag does not tell:
    // it is 0 until a partition is read for the first time after a rebalance.
    let database = shop.database().await;
    until("all other events are applied, too", async || {
        let applied = count_of(&database, "inbox", doc! { "_id.group": "reconciliation" }).await;
        applied >= count_of(&database, "outbox", doc! {}).await
    })
    .await;
    let orders = lines.distinct("subject", placed.clone()).await.unwrap();
    assert_eq!(orders.iter().map(|order| order.as_str().unwrap()).collect::<HashSet<_>>().len(), total);
    assert_eq!(lines.count_documents(placed).await.unwrap(), count);
    let statements = customer.get("/statements").await.expect_status(200).data();
    let tallies = statements["items"].as_array().unwrap().iter().flat_map(|one| one["tallies"].as_array().unwrap());
    let counted: u64 =
        tallies.filter(|tally| tally["kind"] == "order_placed").map(|tally| tally["count"].as_u64().unwrap()).sum();
    assert_eq!(counted, count);
    let found = differences(&admin).await;
    assert!(found.is_empty(), "{found:#?}");
    backing.stop().await.unwrap();
}

/// Orders one after the other, each with the same key until it is answered.
async fn buy(customer: &Client) {
    for _ in 0..EACH {
        let key = fresh_key();
        until("an order", async || {
            let sent = customer.request(reqwest::Method::POST, "/orders").header("Idempotency-Key", &key);
            // A gateway that is not there for a moment is the buyer's own trouble.
            sent.json(&order_of(&[("tea", 1)])).send().await.is_ok_and(|answer| answer.status() == 201)
        })
        .await;
    }
}

async fn kill(shop: &Shop, backing: &Backing, victim: &Victim) {
    match victim {
        Victim::Broker => {
            backing.broker_process().kill9().await.unwrap();
            backing.start_broker_again(PATIENCE).await.unwrap();
        }
        Victim::Process(name) => {
            let process = shop.platform.process(name).unwrap();
            process.kill9().await.unwrap();
            process.start_again().unwrap();
            shop.platform.wait_until_ready_one(name, PATIENCE).await.unwrap();
        }
    }
}

/// The differences that a run of everything finds, up to a page of them.
async fn differences(admin: &Client) -> Vec<Value> {
    let begun = admin.post("/reconciliations", json!({})).await.expect_status(202);
    let path = begun.header("location").unwrap().trim_start_matches("/api/v1").to_owned();
    let mut run = Value::Null;
    until("the run ends", async || {
        run = admin.get(&path).await.expect_status(200).data();
        ["completed", "failed"].contains(&run["status"].as_str().unwrap())
    })
    .await;
    assert_eq!(run["status"], "completed", "{run}");
    let page = admin.get(&format!("{path}/exceptions")).await.expect_status(200).data();
    page["items"].as_array().unwrap().clone()
}

#[allow(clippy::disallowed_methods)] // a test reads past every policy
async fn count_of(database: &Database, collection: &str, filter: Document) -> u64 {
    database.collection::<Document>(collection).count_documents(filter).await.unwrap()
}

#[allow(clippy::disallowed_methods)] // a test reads past every policy
async fn lines(shop: &Shop) -> Collection<Document> {
    shop.database().await.collection("statement_lines")
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}: not within {PATIENCE:?}");
}
