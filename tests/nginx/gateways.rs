//! Real gateways behind nginx, which come and go.

use std::time::Duration;

use devstack::{Platform, PlatformOptions, Progress};
use end_to_end::{Client, Reply, fresh_key, order_of};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::front::Front;
use crate::load::Load;

const READY_WITHIN: Duration = Duration::from_secs(30);

/// A platform with two gateways and two order services, and nginx in front.
struct Shop {
    front: Front,
    platform: Platform,
    mongo_uri: String,
    _dir: TempDir,
}

impl Shop {
    /// Opens it with these limits of the gateways' rates.
    async fn open(test: &str, rates: toml::Table) -> Self {
        let connection = devstack::testing::backing().await.connection().clone();
        let dir = tempfile::tempdir().unwrap();
        let mut options = PlatformOptions::new(devstack::testing::database_name(test), dir.path());
        options.replicas.insert("gateway".into(), 2);
        let cheap = toml::toml! { [passwords]
        memory_kib = 64
        iterations = 1 };
        options.overrides.insert("user".into(), cheap);
        let mut gateway = toml::toml! { [http]
        trusted_proxy_hops = 1 };
        gateway.insert("limits".into(), toml::Table::from_iter([("rates".into(), rates.into())]).into());
        options.overrides.insert("gateway".into(), gateway);
        let platform = Platform::start(&connection, options, &Progress::silent()).await.unwrap();
        let gateways: Vec<_> =
            platform.gateway_urls().iter().map(|url| url.trim_start_matches("http://").to_owned()).collect();
        assert_eq!(gateways.len(), 2);
        let front = Front::start(&gateways, &[]).await;
        Self { front, platform, mongo_uri: connection.mongo_uri, _dir: dir }
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> Reply {
        let request = self.front.request(Method::POST, &format!("/api/v1{path}"));
        Client::send(request.bearer_auth(token).header("Idempotency-Key", fresh_key()).json(&body)).await
    }

    async fn log_in_as_admin(&self) -> String {
        let password = self.platform.secrets().read_admin_password().unwrap();
        let session = json!({ "email": devstack::platform::ADMIN_EMAIL, "password": password });
        let reply = Client::send(self.front.request(Method::POST, "/api/v1/sessions").json(&session)).await;
        reply.expect_success().data()["accessToken"].as_str().unwrap().to_owned()
    }

    async fn product(&self, token: &str, sku: &str, stock: usize) {
        let price = json!({ "amount": 450, "currency": "USD" });
        let product = json!({ "sku": sku, "name": sku, "category": "tests", "price": price });
        self.post("/products", token, product).await.expect_status(201);
        let adjustment = json!({ "delta": stock, "reason": "first delivery" });
        self.post(&format!("/products/{sku}/stock-adjustments"), token, adjustment).await.expect_success();
    }

    async fn kill(&self, name: &str) {
        self.platform.process(name).unwrap().kill9().await.unwrap();
    }

    async fn start_again(&self, name: &str) {
        self.platform.start_again(name, READY_WITHIN).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_are_killed_or_stopped_cost_no_request_and_no_order_twice() {
    const ROUNDS: usize = 3;
    const REQUESTS: usize = 3_000;
    const STOCK: usize = 100_000;
    const BUYERS: usize = 4;
    let unlimited = toml::toml! { orders = { requests = 1000000 }
    browse = { requests = 1000000 }
    default = { requests = 1000000 } };
    let shop = Shop::open("nginx", unlimited).await;
    let token = shop.log_in_as_admin().await;
    shop.product(&token, "tea", STOCK).await;

    let load = Load::new(&shop.front, "tea", token);
    let failing = async {
        for _ in 0..ROUNDS {
            load.more(REQUESTS / ROUNDS / 4).await;
            shop.kill("gateway-1").await;
            load.more(REQUESTS / ROUNDS / 4).await;
            shop.start_again("gateway-1").await;
            load.more(REQUESTS / ROUNDS / 4).await;
            let stopping = shop.platform.process("gateway-2").unwrap();
            let status = stopping.terminate(Duration::from_secs(20)).await.unwrap();
            assert!(status.success(), "gateway-2 ended with {status}");
            load.more(REQUESTS / ROUNDS / 4).await;
            shop.start_again("gateway-2").await;
        }
        load.end();
    };
    futures::join!(load.run(6, BUYERS), failing);

    let orders = load.orders();
    assert!(load.done() >= REQUESTS && orders >= REQUESTS / 20, "{} requests, {orders} orders", load.done());
    let repeated = shop.front.log().lines().filter(|line| line.contains(r#""upstream_status":"502, 20"#)).count();
    assert!(repeated >= ROUNDS, "only {repeated} requests met a gateway that was not there");
    let stock = shop.front.get("/api/v1/products/tea/stock").await.expect_status(200).data();
    assert_eq!(stock["available"], json!(STOCK - orders));
    let database = mongodb::Client::with_uri_str(&shop.mongo_uri).await.unwrap();
    let report = verify::verify(&database.database(shop.platform.database())).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test]
async fn without_a_gateway_the_refusal_is_the_usual_one_and_it_ends_with_the_first_gateway_back() {
    let shop = Shop::open("nginx_away", toml::Table::new()).await;
    for name in ["gateway-1", "gateway-2"] {
        shop.kill(name).await;
    }
    // The third time nginx takes both for dead.
    for _ in 0..3 {
        let read = shop.front.get("/api/v1/products").await;
        for reply in [read, shop.post("/orders", "", order_of(&[("tea", 1)])).await] {
            assert_eq!(reply.header("retry-after"), Some("1"));
            assert_eq!(reply.expect_refusal(503, "UNAVAILABLE").json()["code"], json!(50_301));
        }
    }
    shop.start_again("gateway-2").await;
    shop.front.get("/api/v1/products").await.expect_status(200);
}

#[tokio::test]
async fn nobody_escapes_a_limit_by_another_forwarded_address() {
    const REQUESTS: usize = 10;
    let few = toml::toml! { sessions = { requests = 10, period_ms = 600000 } };
    let shop = Shop::open("nginx_address", few).await;
    let mut refused = 0;
    for number in 0..3 * REQUESTS {
        let guess = json!({ "email": format!("user-{number}@example.com"), "password": "correct horse" });
        let request = shop.front.request(Method::POST, "/api/v1/sessions").json(&guess);
        let reply = Client::send(request.header("X-Forwarded-For", format!("203.0.113.{number}"))).await;
        refused += usize::from(reply.reason() == "RATE_LIMITED");
    }
    // Each gateway counts for itself.
    assert!(refused >= REQUESTS, "{refused} refused");
}
