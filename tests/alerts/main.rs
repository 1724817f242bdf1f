//! A real Prometheus and a real Alertmanager beside the platform: the rules evaluate, the dashboards have data, and
//! payments that fail are heard of where people are. `make test-alerts`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops where it fails

mod dashboards;
mod prometheus;
mod robot;

use std::collections::BTreeSet;
use std::time::Duration;

use end_to_end::{Client, Shop, order_of};
use serde_json::{Value, json};

use prometheus::Observers;

/// How long an alert may take, with windows that are sixty times shorter.
const PATIENCE: Duration = Duration::from_secs(240);

/// The alert when payments fail, and those of what does not need them.
const FAILING: &str = "PaymentsFail";
const WELL: [&str; 2] = ["OrdersFail", "CatalogueReadsFail"];

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what} did not happen within {PATIENCE:?}");
}

struct Buyer {
    customer: Client,
}

impl Buyer {
    async fn new(shop: &Shop, admin: &Client) -> Self {
        let customer = shop.customer().await;
        let me = customer.get("/users/me").await.expect_status(200).data();
        let deposits = format!("/users/{}/deposits", me["id"].as_str().unwrap());
        let money = json!({ "amount": 1_000_000_000, "currency": "USD" });
        admin.post_keyed(&deposits, money).await.expect_success();
        Self { customer }
    }

    /// Buys, looks, pays and cancels; whether the payment went well.
    async fn shop(&self) -> bool {
        let order = self.customer.post_keyed("/orders", order_of(&[("tea", 1)])).await.expect_status(201);
        let path = format!("/orders/{}", order.data()["id"].as_str().unwrap());
        self.customer.get(&path).await.expect_status(200);
        self.customer.get("/products/tea").await.expect_status(200);
        self.customer.get("/products?limit=10").await;
        let paid = self.customer.post_keyed(&format!("{path}/payments"), json!({ "method": "balance" })).await;
        let is_paid = paid.status.is_success();
        if is_paid {
            self.customer.post_empty(&format!("{path}/cancel")).await;
        }
        is_paid
    }
}

#[tokio::test]
async fn payments_that_fail_are_heard_of_and_everything_is_watched() {
    let shop = Shop::open("alerts").await;
    let admin = shop.admin().await;
    shop.product(&admin, "tea", 450, 1_000_000).await;
    let buyer = Buyer::new(&shop, &admin).await;
    let robot = robot::Robot::start().await;
    let observers = Observers::start(&shop, &robot.url()).await;
    let alerts = observers.alerts().await;
    assert!(WELL.iter().chain([&FAILING]).all(|alert| alerts.contains(*alert)), "there are only {alerts:?}");

    // In order: all targets are up, all rules evaluate, nobody is called.
    until("every process is scraped", async || observers.down().await.is_empty()).await;
    for _ in 0..50 {
        assert!(buyer.shop().await);
    }
    until("every rule has been evaluated", async || observers.rules_not_well().await.is_empty()).await;
    until("the objectives have values", async || {
        let budgets = observers.query("slo:period_error_budget_remaining:ratio").await;
        budgets.as_array().unwrap().len() == 6
    })
    .await;
    assert_eq!(robot.alerts(), BTreeSet::new());
    // Whether the books agree is shown once they have been compared.
    admin.post("/reconciliations", json!({})).await.expect_status(202);
    let mut without_data = Vec::new();
    let shown = tokio::time::timeout(PATIENCE, async {
        loop {
            buyer.shop().await; // a rate needs what rises between two scrapes
            without_data = dashboards::without_data(&observers).await;
            if without_data.is_empty() {
                return;
            }
        }
    });
    let is_shown = shown.await.is_ok();
    assert!(is_shown, "these show nothing: {without_data:#?}");
    let told = std::process::Command::new(nines())
        .args(["slo", "status", "--json", "--prometheus", &observers.prometheus_url()])
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert!(told.to_string().contains("payment-success"), "{told}");

    // Out of order.
    shop.platform.process("payment").unwrap().kill9().await.unwrap();
    let paying = async {
        loop {
            buyer.shop().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = paying => {}
        () = until("the alert arrives", async || robot.alerts().contains(FAILING)) => {}
    }
    let message = robot.first_about(FAILING);
    assert!(message.contains(&format!("docs/runbooks/{FAILING}.md")), "{message}");
    // Nobody is woken for what is well.
    assert!(robot.alerts().is_disjoint(&WELL.map(str::to_owned).into()), "{:?}", robot.alerts());
}

fn nines() -> std::path::PathBuf {
    devstack::platform::default_bin_dir().unwrap().join("nines")
}
