//! A shop for a test: every service as a real process, on a database of its own, driven over REST.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops where it fails

mod authority;
mod client;
mod collector;

use std::collections::BTreeMap;
use std::time::Duration;

use devstack::{Platform, PlatformOptions, Progress};
use mongodb::Database;
use serde_json::{Value, json};
use tempfile::TempDir;

pub use authority::{Authority, Identity};
pub use client::{Client, Reply};
pub use collector::{Collected, Collector};

/// A running platform; it ends with the test.
#[derive(Debug)]
pub struct Shop {
    /// The processes.
    pub platform: Platform,
    http: reqwest::Client,
    connection: devstack::Connection,
    _dir: TempDir,
}

/// Settings on top of the usual ones, by service.
pub type Overrides = BTreeMap<String, toml::Table>;

/// The same settings for every service.
pub fn everywhere(settings: &toml::Table) -> Overrides {
    let services = ["gateway", "order", "inventory", "user", "payment", "risk", "reconciliation"];
    services.map(|service| (service.to_owned(), settings.clone())).into()
}

impl Shop {
    /// Opens a shop with the usual settings.
    pub async fn open(test: &str) -> Self {
        Self::open_with(test, Overrides::new()).await
    }

    /// Opens a shop with other settings.
    pub async fn open_with(test: &str, overrides: Overrides) -> Self {
        let connection = devstack::testing::backing().await.connection().clone();
        Self::open_on(connection, test, overrides).await
    }

    /// Opens a shop on a replica set and a broker of the test's own.
    pub async fn open_on(connection: devstack::Connection, test: &str, mut overrides: Overrides) -> Self {
        // Argon2id at its proper cost would make most of a test's time.
        let cheap = toml::toml! { [passwords]
        memory_kib = 64
        iterations = 1 };
        overrides.entry("user".to_owned()).or_default().extend(cheap);
        let dir = tempfile::tempdir().unwrap();
        let mut options = PlatformOptions::new(devstack::testing::database_name(test), dir.path());
        options.overrides = overrides;
        let platform = Platform::start(&connection, options, &Progress::silent()).await.unwrap();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { platform, http, connection, _dir: dir }
    }

    /// Somebody without a token.
    pub fn anyone(&self) -> Client {
        Client::new(self.http.clone(), self.platform.gateway_url(), None)
    }

    /// The shop's administrator.
    pub async fn admin(&self) -> Client {
        let password = self.platform.secrets().read_admin_password().unwrap();
        self.log_in(devstack::platform::ADMIN_EMAIL, &password).await
    }

    /// A new customer.
    pub async fn customer(&self) -> Client {
        let email = format!("{}@example.com", uuid::Uuid::now_v7().simple());
        let password = "correct horse";
        let user = json!({ "name": "Test Customer", "email": email, "password": password });
        self.anyone().post("/users", user).await.expect_status(201);
        self.log_in(&email, password).await
    }

    /// A user's session.
    pub async fn log_in(&self, email: &str, password: &str) -> Client {
        let reply = self.anyone().post("/sessions", json!({ "email": email, "password": password })).await;
        let token = reply.expect_success().data()["accessToken"].as_str().unwrap().to_owned();
        Client::new(self.http.clone(), self.platform.gateway_url(), Some(token))
    }

    /// A product with a price in cents and some stock.
    pub async fn product(&self, admin: &Client, sku: &str, price: i64, stock: i64) {
        let price = json!({ "amount": price, "currency": "USD" });
        let product = json!({ "sku": sku, "name": format!("Product {sku}"), "category": "tests", "price": price });
        admin.post("/products", product).await.expect_status(201);
        if stock > 0 {
            let adjustment = json!({ "delta": stock, "reason": "first delivery" });
            let path = format!("/products/{sku}/stock-adjustments");
            admin.post_keyed(&path, adjustment).await.expect_success();
        }
    }

    /// The pieces of a SKU that can be bought.
    pub async fn available(&self, sku: &str) -> i64 {
        let reply = self.anyone().get(&format!("/products/{sku}/stock")).await;
        reply.expect_status(200).data()["available"].as_i64().unwrap()
    }

    /// The database of this shop.
    pub async fn database(&self) -> Database {
        let client = mongodb::Client::with_uri_str(&self.connection.mongo_uri).await.unwrap();
        client.database(self.platform.database())
    }

    /// What the series of a process whose names begin so add up to, whatever their labels, if there is any.
    pub async fn metric(&self, process: &str, series: &str) -> Option<u64> {
        let url = format!("{}/metrics", self.platform.admin_url(process).unwrap());
        let page = reqwest::get(url).await.unwrap().text().await.unwrap();
        let found = page.lines().filter(|line| line.starts_with(series));
        found.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).reduce(|sum, value| sum + value)
    }

    /// Checks the books from the database alone; the test fails with what is wrong with them.
    pub async fn verify_books(&self) {
        let report = verify::verify(&self.database().await).await.unwrap();
        assert!(report.is_clean(), "{report:?}");
    }

    /// Where the sandbox of the card provider listens.
    pub fn card_sandbox_url(&self) -> String {
        self.platform.grpc_url("card-sandbox").unwrap()
    }
}

/// The body of an order.
pub fn order_of(lines: &[(&str, u32)]) -> Value {
    let lines: Vec<_> = lines.iter().map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity })).collect();
    json!({ "lines": lines })
}

/// A key that nobody has used.
pub fn fresh_key() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Waits until `condition` holds, 30 s at most.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(30), async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what} did not happen within 30 s");
}
