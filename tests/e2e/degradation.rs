//! What works when something is away: every row of `docs/degradation.md`, by taking that part away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use devstack::scratch::Scratch;
use devstack::{Backing, BackingOptions, Process, Progress};
use end_to_end::{Client, Overrides, Reply, Shop, eventually, fresh_key, order_of};
use gateway::config::DeadlinesConfig;
use gateway::{Access, Endpoint};
use mongodb::bson::doc;
use reqwest::Method;
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../docs/degradation.md");
/// How long it may take until what is known of a part is forgotten, or until it is back.
const BOUND: Duration = Duration::from_secs(60);
/// What an answer may take beyond the gateway's deadline on a machine that is busy.
const SLACK: Duration = Duration::from_secs(1);
const PRIMARY: &str = "the primary of MongoDB";
const API: &str = "/api/v1";
const SKU: &str = "tea";
/// Reads that tell whether inventory and reconciliation are well.
const PROBED: [&str; 4] = ["/products", "/products/tea", "/products/tea/stock", "/statements"];
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
            Self::Cached => reply.status.is_success() && is_old_copy(reply),
            Self::LocalRules => reply.status.is_success() && reply.data()["risk"]["source"] == "local_rules",
            Self::Refused => reply.status == 503 && reply.reason() == "UNAVAILABLE",
        }
    }

    /// Whether an answer that does not meet it may come first: what is known of a part that has just gone takes a
    /// moment to be forgotten.
    fn may_follow(self, reply: &Reply) -> bool {
        match self {
            Self::Works => false,
            Self::Soon => [503, 504].contains(&reply.status.as_u16()),
            Self::Cached | Self::LocalRules => reply.status.is_success(),
            Self::Refused => reply.status.is_success() || [503, 504].contains(&reply.status.as_u16()),
        }
    }
}

/// Whether it is a copy that is given in place of an answer, for which `Cache-Status` has a reason.
fn is_old_copy(reply: &Reply) -> bool {
    reply.header("cache-status").is_some_and(|status| status.contains("detail="))
}

/// A column of the table: what it is called, and the calls that are meant.
#[derive(Debug)]
struct Column {
    word: String,
    calls: Vec<&'static Endpoint>,
}

struct Sale {
    backing: Backing,
    shop: Shop,
    admin: Client,
    customer: Client,
    customer_id: String,
    run_id: String,
}

/// What was made while all was well, for the calls that need one of their own.
struct Prepared {
    shown: String,
    paid_from_balance: String,
    paid_by_card: String,
    cancelled: String,
    refresh_token: String,
    logged_out: Client,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_of_the_table_is_what_happens() {
    let (words, rows) = table("| away |");
    let columns = columns(&words[1..]);
    assert!(rows.len() >= 12, "the table has lost rows: {rows:?}");
    let scratch = Scratch::create().unwrap();
    let sale = Sale::open(&scratch).await;
    let mut wrong = Vec::new();
    for row in rows {
        let (away, words) = (row[0].as_str(), &row[1..]);
        assert_eq!(words.len(), columns.len(), "{row:?}");
        let prepared = sale.prepare().await;
        sale.warm_up().await;
        sale.take_away(away).await;
        let checks = columns.iter().zip(words.iter().map(|word| Expected::parse(word)));
        // What works soon would be waited for until the part is back.
        let (late, at_once): (Vec<_>, Vec<_>) = checks.partition(|(_, expected)| *expected == Expected::Soon);
        for (column, expected) in at_once {
            wrong.extend(sale.check(away, column, expected, &prepared).await);
        }
        if away == PRIMARY {
            assert_eq!(sale.backing.primary_index().await, None, "another primary has answered");
            sale.freeze_secondaries(0).await;
        }
        for (column, expected) in late {
            wrong.extend(sale.check(away, column, expected, &prepared).await);
        }
        sale.bring_back(away).await;
    }
    assert!(wrong.is_empty(), "the table says otherwise: {wrong:#?}");
    sale.shop.verify_books().await;
    sale.backing.stop().await.unwrap();
}

/// The head and the rows of a table of the page.
fn table(head: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut lines = PAGE.lines().skip_while(|line| !line.starts_with(head));
    let head = cells(lines.next().unwrap());
    (head, lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect())
}

fn cells(line: &str) -> Vec<String> {
    line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The columns with the calls that the page's second table has for them, which has every call of the API.
fn columns(words: &[String]) -> Vec<Column> {
    let api = || gateway::endpoints().iter().filter(|endpoint| endpoint.path.starts_with(API));
    let called = |endpoint: &Endpoint| format!("{} {}", endpoint.verb.as_str(), endpoint.path.trim_start_matches(API));
    let mut explained = BTreeMap::new();
    for row in table("| word |").1 {
        let texts: Vec<_> = row[1].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        explained.extend(row[0].split(", ").map(|word| (word.to_owned(), texts.clone())));
    }
    let mut named: BTreeSet<_> = explained.values().flatten().cloned().collect();
    for endpoint in api() {
        assert!(named.remove(&called(endpoint)), "the table lacks {}", called(endpoint));
    }
    assert!(named.is_empty(), "the table has calls that there are not: {named:?}");
    let calls_of = |word: &String| {
        let texts = explained.get(word).unwrap_or_else(|| panic!("{word:?} is not explained"));
        api().filter(|endpoint| texts.contains(&called(endpoint))).collect()
    };
    words.iter().map(|word| Column { word: word.clone(), calls: calls_of(word) }).collect()
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
        let customer_id = user["id"].as_str().unwrap().to_owned();
        let deposit = json!({ "amount": 1_000_000, "currency": "USD" });
        admin.post_keyed(&format!("/users/{customer_id}/deposits"), deposit).await.expect_success();
        let customer = shop.log_in(EMAIL, PASSWORD).await;
        let run = admin.post("/reconciliations", json!({})).await.expect_status(202).data();
        let run_id = run["id"].as_str().unwrap().to_owned();
        Self { backing, shop, admin, customer, customer_id, run_id }
    }

    async fn prepare(&self) -> Prepared {
        let order = async || {
            let placed = self.customer.post_keyed("/orders", order_of(&[(SKU, 1)])).await.expect_status(201);
            placed.data()["id"].as_str().unwrap().to_owned()
        };
        let credentials = json!({ "email": EMAIL, "password": PASSWORD });
        let session = self.shop.anyone().post("/sessions", credentials).await.expect_success().data();
        Prepared {
            shown: order().await,
            paid_from_balance: order().await,
            paid_by_card: order().await,
            cancelled: order().await,
            refresh_token: session["refreshToken"].as_str().unwrap().to_owned(),
            logged_out: self.shop.log_in(EMAIL, PASSWORD).await,
        }
    }

    /// The gateway has the products in its cache, and the parts are known to be well.
    async fn warm_up(&self) {
        for path in PROBED {
            self.customer.get(path).await.expect_success();
        }
    }

    /// What the calls of a column do otherwise than expected.
    async fn check(&self, away: &str, column: &Column, expected: Expected, prepared: &Prepared) -> Vec<String> {
        let mut wrong = Vec::new();
        for endpoint in &column.calls {
            let checked = self.check_call(endpoint, &column.word, expected, prepared).await;
            let told = |what| format!("without {away}, {} ({}) {what}", column.word, endpoint.id);
            wrong.extend(checked.err().map(told));
        }
        wrong
    }

    async fn check_call(
        &self,
        endpoint: &Endpoint,
        word: &str,
        expected: Expected,
        prepared: &Prepared,
    ) -> Result<(), String> {
        let deadline = DeadlinesConfig::default().budget(Some(endpoint));
        let key = fresh_key();
        let started = tokio::time::Instant::now();
        loop {
            let asked = tokio::time::Instant::now();
            let reply = self.call(endpoint, word, prepared, &key).await;
            let took = asked.elapsed();
            if took >= deadline + SLACK {
                return Err(format!("is answered after {took:?}"));
            }
            let seconds = reply.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
            if reply.status == 503 && seconds.is_none_or(|seconds| seconds == 0) {
                return Err(format!("is refused without Retry-After: {:?}", reply.headers));
            }
            if expected.is_met(&reply) {
                return Ok(());
            }
            if !expected.may_follow(&reply) || started.elapsed() >= BOUND {
                return Err(format!("is {} and not {expected:?}: {}", reply.status, reply.text()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn call(&self, endpoint: &Endpoint, word: &str, prepared: &Prepared, key: &str) -> Reply {
        let client = match endpoint.access {
            Access::Public => &self.shop.anyone(),
            Access::Admin => &self.admin,
            _ if endpoint.id == "logOut" => &prepared.logged_out,
            _ => &self.customer,
        };
        let path = self.path(endpoint, word, prepared);
        let method = Method::from_bytes(endpoint.verb.as_str().as_bytes()).unwrap();
        let mut request = client.request(method, &path);
        if endpoint.idempotent {
            request = request.header("Idempotency-Key", key);
        }
        if endpoint.versioned {
            let seen = client.get(&path).await;
            let Some(version) = seen.header("etag") else { return seen };
            request = request.header("If-Match", version);
        }
        let body = Self::body(endpoint, word, prepared);
        Client::send(body.into_iter().fold(request, |request, body| request.json(&body))).await
    }

    fn path(&self, endpoint: &Endpoint, word: &str, prepared: &Prepared) -> String {
        let order = match word {
            "pay from balance" => &prepared.paid_from_balance,
            "pay by card" => &prepared.paid_by_card,
            "cancel" => &prepared.cancelled,
            _ => &prepared.shown,
        };
        let path = endpoint.path.trim_start_matches(API);
        let id = match path.split('/').nth(1) {
            Some("users") => &self.customer_id,
            Some("reconciliations") => &self.run_id,
            _ => order,
        };
        path.replace("{sku}", SKU).replace("{id}", id)
    }

    /// A body that is taken. What makes something makes another one each time.
    fn body(endpoint: &Endpoint, word: &str, prepared: &Prepared) -> Option<Value> {
        let price = json!({ "amount": 450, "currency": "USD" });
        let body = match endpoint.id {
            "registerUser" => {
                let email = format!("{}@example.com", fresh_key());
                json!({ "name": "Somebody", "email": email, "password": PASSWORD })
            }
            "logIn" => json!({ "email": EMAIL, "password": PASSWORD }),
            "refreshSession" => json!({ "refreshToken": prepared.refresh_token }),
            "changeMe" | "changeProduct" => json!({ "name": format!("Name {}", fresh_key()) }),
            "deposit" => json!({ "amount": 1, "currency": "USD" }),
            "createProduct" => {
                json!({ "sku": fresh_key(), "name": "New", "category": "new", "price": price })
            }
            "adjustStock" => json!({ "delta": 1, "reason": "found" }),
            "placeOrder" => order_of(&[(SKU, 1)]),
            "payOrder" if word == "pay by card" => json!({ "method": "card", "token": "tok_ok" }),
            "payOrder" => json!({ "method": "balance" }),
            _ => return None,
        };
        Some(body)
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

    /// Until each member shows what has been written so far: one may be a moment behind, and would stay so.
    async fn wait_for_secondaries(&self) {
        let nodes = self.backing.mongods();
        let time = async |node: usize, name| {
            let status = nodes[node].direct().unwrap().admin(doc! { "replSetGetStatus": 1 }).await.unwrap();
            let optime = status.get_document("optimes").unwrap().get_document(name).unwrap();
            optime.get_timestamp("ts").unwrap()
        };
        let written = time(self.backing.primary_index().await.unwrap(), "appliedOpTime").await;
        for node in 0..nodes.len() {
            eventually("the member shows all", async || time(node, "readConcernMajorityOpTime").await >= written).await;
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
            self.wait_for_secondaries().await;
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
        let credentials = json!({ "email": EMAIL, "password": PASSWORD });
        well &= self.shop.anyone().post("/sessions", credentials).await.status.is_success();
        for path in PROBED {
            let reply = self.customer.get(path).await;
            well &= reply.status.is_success() && !is_old_copy(&reply);
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
