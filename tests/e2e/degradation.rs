//! What works when something is away: every row of `docs/degradation.md`, by taking that part away.

use std::time::Duration;

use devstack::scratch::Scratch;
use devstack::{Backing, BackingOptions, Process, Progress};
use end_to_end::{Client, Overrides, Reply, Shop, eventually, fresh_key, order_of};
use mongodb::bson::doc;
use serde_json::json;

const TABLE: &str = include_str!("../../docs/degradation.md");
/// How long it may take until what is known of a part is forgotten, or until it is back.
const BOUND: Duration = Duration::from_secs(60);
/// What an answer may take beyond the gateway's deadline on a machine that is busy.
const SLACK: Duration = Duration::from_secs(1);
const PRIMARY: &str = "the primary of MongoDB";
const SKU: &str = "tea";
const EMAIL: &str = "degradation@example.com";
const PASSWORD: &str = "correct horse";

/// What a call does while something is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Works,
    Cached,
    LocalRules,
    Soon,
    Refused,
}

impl Expected {
    fn parse(word: &str) -> Self {
        match word {
            "yes" => Self::Works,
            "cached" => Self::Cached,
            "local rules" => Self::LocalRules,
            "soon" => Self::Soon,
            "503" => Self::Refused,
            other => panic!("the table has {other:?}, which nobody explains"),
        }
    }

    fn is_met(self, reply: &Reply) -> bool {
        match self {
            Self::Works | Self::Soon => reply.status.is_success(),
            Self::Cached => {
                let marked = reply.header("cache-status").is_some_and(|status| status.contains("stale"));
                reply.status.is_success() && marked
            }
            Self::LocalRules => reply.status.is_success() && reply.data()["risk"]["source"] == "local_rules",
            Self::Refused => reply.status == 503 && reply.reason() == "UNAVAILABLE",
        }
    }

    /// Whether an answer that does not meet it may come first: what is known of a part that has just gone takes a moment
    /// to be forgotten.
    fn may_follow(self, reply: &Reply) -> bool {
        match self {
            Self::Works => false,
            Self::Soon => [503, 504].contains(&reply.status.as_u16()),
            Self::Cached | Self::LocalRules => reply.status.is_success(),
            Self::Refused => reply.status.is_success() || [503, 504].contains(&reply.status.as_u16()),
        }
    }
}

struct Sale {
    backing: Backing,
    shop: Shop,
    customer: Client,
}

/// Orders that were placed while all was well, one for each call that needs one.
struct Orders([String; 4]);

#[tokio::test(flavor = "multi_thread")]
async fn each_row_of_the_table_is_what_happens() {
    let scratch = Scratch::create().unwrap();
    let sale = Sale::open(&scratch).await;
    let mut rows = TABLE.lines().filter(|line| line.starts_with("| ")).map(cells);
    let calls = rows.next().unwrap().split_off(1);
    let rows: Vec<_> = rows.skip(1).collect();
    assert!(rows.len() >= 12, "the table has lost rows: {rows:?}");
    for row in rows {
        let (away, words) = (row[0].as_str(), &row[1..]);
        assert_eq!(words.len(), calls.len(), "{row:?}");
        let orders = sale.orders().await;
        sale.warm_up().await;
        sale.take_away(away).await;
        let checks = calls.iter().zip(words.iter().map(|word| Expected::parse(word)));
        // What works soon would be waited for until the part is back.
        let (late, at_once): (Vec<_>, Vec<_>) = checks.partition(|(_, expected)| *expected == Expected::Soon);
        for (call, expected) in at_once {
            sale.check(away, call, expected, &orders).await;
        }
        if away == PRIMARY {
            assert_eq!(sale.backing.primary_index().await, None, "another primary has answered");
            sale.freeze_secondaries(0).await;
        }
        for (call, expected) in late {
            sale.check(away, call, expected, &orders).await;
        }
        sale.bring_back(away).await;
    }
    sale.shop.verify_books().await;
    sale.backing.stop().await.unwrap();
}

/// The gateway's, as docs/limits.md has it.
fn deadline(call: &str) -> Duration {
    Duration::from_secs(if call.starts_with("pay ") { 8 } else { 5 })
}

fn cells(line: &str) -> Vec<String> {
    line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

impl Sale {
    async fn open(scratch: &Scratch) -> Self {
        let options = BackingOptions::for_tests(scratch.path());
        let backing = Backing::start(options, &Progress::silent()).await.unwrap();
        let card = toml::toml! { [card]
        timeout_ms = 1_000 };
        let overrides = Overrides::from([("payment".to_owned(), card)]);
        let shop = Shop::open_on(backing.connection(), "degradation", overrides).await;
        let admin = shop.admin().await;
        shop.product(&admin, SKU, 450, 100_000).await;
        let user = json!({ "name": "Test Customer", "email": EMAIL, "password": PASSWORD });
        let user = shop.anyone().post("/users", user).await.expect_status(201).data();
        let deposit = json!({ "amount": 1_000_000, "currency": "USD" });
        let path = format!("/users/{}/deposits", user["id"].as_str().unwrap());
        admin.post_keyed(&path, deposit).await.expect_success();
        let customer = shop.log_in(EMAIL, PASSWORD).await;
        Self { backing, shop, customer }
    }

    async fn orders(&self) -> Orders {
        let mut orders = [const { String::new() }; 4];
        for order in &mut orders {
            let placed = self.customer.post_keyed("/orders", order_of(&[(SKU, 1)])).await.expect_status(201);
            *order = format!("/orders/{}", placed.data()["id"].as_str().unwrap());
        }
        Orders(orders)
    }

    /// The gateway has the product in its cache, and the parts are known to be well.
    async fn warm_up(&self) {
        for call in ["product", "stock", "statements"] {
            self.call(call, None, &fresh_key()).await.expect_success();
        }
    }

    async fn check(&self, away: &str, call: &str, expected: Expected, orders: &Orders) {
        let key = fresh_key();
        let started = tokio::time::Instant::now();
        loop {
            let asked = tokio::time::Instant::now();
            let reply = self.call(call, Some(orders), &key).await;
            let (took, told) = (asked.elapsed(), format!("without {away}, {call}"));
            assert!(took < deadline(call) + SLACK, "{told} is answered after {took:?}");
            if reply.status == 503 {
                let seconds = reply.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
                assert!(seconds > Some(0), "{told} is refused without Retry-After: {:?}", reply.headers);
            }
            if expected.is_met(&reply) {
                return;
            }
            let told = format!("{told} is {} and not {expected:?}: {}", reply.status, reply.text());
            assert!(expected.may_follow(&reply) && started.elapsed() < BOUND, "{told}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn call(&self, call: &str, orders: Option<&Orders>, key: &str) -> Reply {
        let (customer, anyone) = (&self.customer, self.shop.anyone());
        let order = |number: usize| orders.unwrap().0[number].as_str();
        let pay = |number: usize| format!("{}/payments", order(number));
        match call {
            "product" => anyone.get(&format!("/products/{SKU}")).await,
            "stock" => anyone.get(&format!("/products/{SKU}/stock")).await,
            "log in" => anyone.post("/sessions", json!({ "email": EMAIL, "password": PASSWORD })).await,
            // A new order each time: one that was placed would be given again.
            "order" => customer.post_keyed("/orders", order_of(&[(SKU, 1)])).await,
            "look at an order" => customer.get(order(0)).await,
            "pay from balance" => customer.post_with_key(&pay(1), json!({ "method": "balance" }), key).await,
            "pay by card" => {
                let card = json!({ "method": "card", "token": "tok_ok" });
                customer.post_with_key(&pay(2), card, key).await
            }
            "cancel" => {
                let cancel = customer.request(reqwest::Method::POST, &format!("{}/cancel", order(3)));
                Client::send(cancel.header("Idempotency-Key", key)).await
            }
            "statements" => customer.get("/statements").await,
            other => panic!("the table has the call {other:?}, which nobody makes"),
        }
    }

    /// For so many seconds none of them stands for election.
    async fn freeze_secondaries(&self, seconds: i32) {
        let primary = self.backing.primary_index().await;
        for (index, node) in self.backing.mongods().iter().enumerate() {
            if node.process().is_running() && Some(index) != primary {
                node.direct().unwrap().admin(doc! { "replSetFreeze": seconds }).await.unwrap();
            }
        }
    }

    async fn take_away(&self, away: &str) {
        if away == "login audit" {
            let nothing = doc! { "collMod": "login_audit", "validator": { "never": { "$exists": true } } };
            self.shop.database().await.run_command(nothing).await.unwrap();
        }
        let processes = self.processes(away).await;
        if away == PRIMARY {
            self.freeze_secondaries(60).await;
        }
        for process in processes {
            process.kill9().await.unwrap();
        }
    }

    async fn bring_back(&self, away: &str) {
        if away == "login audit" {
            let anything = doc! { "collMod": "login_audit", "validator": {} };
            self.shop.database().await.run_command(anything).await.unwrap();
        }
        if away == "broker" {
            return self.backing.start_broker_again(BOUND).await.unwrap();
        }
        for process in self.away(away).await {
            process.start_again().unwrap();
        }
        self.backing.wait_until_healthy(BOUND).await.unwrap();
        self.shop.platform.wait_until_ready(BOUND).await.unwrap();
        // Ejections and open breakers end by themselves.
        eventually("all is well", async || self.is_well().await).await;
    }

    async fn is_well(&self) -> bool {
        let placed = self.customer.post_keyed("/orders", order_of(&[(SKU, 1)])).await;
        if placed.status != 201 || placed.data()["risk"]["source"] != "service" {
            return false;
        }
        let payment = format!("/orders/{}/payments", placed.data()["id"].as_str().unwrap());
        let paid = self.customer.post_keyed(&payment, json!({ "method": "card", "token": "tok_ok" })).await;
        let mut well = paid.status.is_success();
        for call in ["product", "stock", "log in", "statements"] {
            let reply = self.call(call, None, &fresh_key()).await;
            well &= reply.status.is_success() && !reply.text().contains("stale");
        }
        well
    }

    /// The processes that run and whose end takes a part away.
    async fn processes(&self, away: &str) -> Vec<&Process> {
        let mongods = self.backing.mongods();
        let primary = self.backing.wait_for_primary(BOUND).await.unwrap();
        let mongod = |places_after: usize| mongods[(primary + places_after) % mongods.len()].process();
        match away {
            "login audit" => Vec::new(),
            "broker" => vec![self.backing.broker_process()],
            "a secondary of MongoDB" => vec![mongod(1)],
            PRIMARY => vec![mongod(0)],
            "one order replica" => vec![self.shop.platform.process("order-1").unwrap()],
            "card provider" => vec![self.shop.platform.process("card-sandbox").unwrap()],
            service => {
                let of_service = |process: &&Process| {
                    process.name() == service || process.name().starts_with(&format!("{service}-"))
                };
                let found: Vec<_> =
                    self.shop.platform.processes().map(|(process, ..)| process).filter(of_service).collect();
                assert!(!found.is_empty(), "the table has {service:?}, which nobody runs");
                found
            }
        }
    }

    /// The processes that do not run.
    async fn away(&self, away: &str) -> Vec<&Process> {
        let mongods = self.backing.mongods().iter().map(|node| node.process());
        let services = self.shop.platform.processes().map(|(process, ..)| process);
        let gone: Vec<_> = mongods.chain(services).filter(|process| !process.is_running()).collect();
        assert_eq!(gone.is_empty(), away == "login audit", "{away}: {gone:?}");
        gone
    }
}
