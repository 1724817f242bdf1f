//! The demo data of a local stack: a small catalogue and one customer, loaded over the public REST API.
//!
//! For a local stack only: the customer's password is in this file. Loading is idempotent; existing data is left
//! unchanged.

use std::time::Duration;

use anyhow::{Context, bail};
use devstack::platform::{ADMIN_EMAIL, Secrets};
use devstack::stack::DemoState;
use futures::stream::{self, TryStreamExt};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

const CUSTOMER_EMAIL: &str = "demo@example.com";
/// The password of the demo customer; only for local stacks.
const CUSTOMER_PASSWORD: &str = "demo-for-local-use";
/// The initial balance of the customer, in cents.
const DEPOSIT_CENTS: i64 = 100_000;
/// Pieces of each product.
const STOCK: i64 = 1_000;
/// How long a call may take; the first ones meet cold services.
const CALL_BOUND: Duration = Duration::from_secs(10);
/// The number of products that are loaded concurrently.
const PARALLEL: usize = 4;

/// SKU, name, category, price in cents.
const CATALOGUE: [(&str, &str, &str, i64); 12] = [
    ("COFFEE-ESPRESSO-1KG", "Espresso beans, 1 kg", "coffee", 2_450),
    ("COFFEE-FILTER-500G", "Filter coffee, 500 g", "coffee", 1_150),
    ("COFFEE-DECAF-500G", "Decaffeinated coffee, 500 g", "coffee", 1_290),
    ("COFFEE-COLD-BREW-1L", "Cold brew, 1 l", "coffee", 690),
    ("TEA-GREEN-100G", "Green tea, 100 g", "tea", 890),
    ("TEA-BLACK-100G", "Black tea, 100 g", "tea", 790),
    ("TEA-MINT-50G", "Peppermint tea, 50 g", "tea", 490),
    ("TEA-CHAI-250G", "Chai, 250 g", "tea", 1_090),
    ("KIT-GRINDER", "Hand grinder", "equipment", 8_900),
    ("KIT-KETTLE", "Gooseneck kettle", "equipment", 6_450),
    ("KIT-DRIPPER", "Ceramic dripper", "equipment", 2_290),
    ("KIT-SCALE", "Scale with timer", "equipment", 3_990),
];

/// Loads what is missing, and gives the credentials.
pub(super) async fn load(gateway_url: &str, secrets: &Secrets) -> anyhow::Result<DemoState> {
    let http = Client::builder().timeout(CALL_BOUND).build()?;
    let mut api = Api { http, base: format!("{gateway_url}/api/v1"), token: None };
    api.log_in(ADMIN_EMAIL, &secrets.read_admin_password()?).await?;
    let products = stream::iter(CATALOGUE.map(Ok)).try_for_each_concurrent(PARALLEL, |row| product(&api, row));
    futures::try_join!(products, customer(&api))?;
    Ok(DemoState {
        customer_email: CUSTOMER_EMAIL.to_owned(),
        customer_password: CUSTOMER_PASSWORD.to_owned(),
        admin_email: ADMIN_EMAIL.to_owned(),
        admin_password_file: secrets.admin_password.clone(),
        sku: CATALOGUE[0].0.to_owned(),
    })
}

async fn product(api: &Api, (sku, name, category, cents): (&str, &str, &str, i64)) -> anyhow::Result<()> {
    let price = json!({ "amount": cents, "currency": "USD" });
    let body = json!({ "sku": sku, "name": name, "category": category, "price": price });
    if api.create("/products", None, &body).await?.is_none() {
        // The product exists, and so does its stock, part of which may be sold.
        return Ok(());
    }
    let path = format!("/products/{sku}/stock-adjustments");
    let body = json!({ "delta": STOCK, "reason": "demo stock" });
    api.create(&path, Some(&format!("demo-stock-{sku}")), &body).await.map(drop)
}

async fn customer(api: &Api) -> anyhow::Result<()> {
    let body = json!({ "name": "Demo Customer", "email": CUSTOMER_EMAIL, "password": CUSTOMER_PASSWORD });
    let Some(user) = api.create("/users", None, &body).await? else { return Ok(()) };
    let id = user["id"].as_str().context("the new customer has no id")?;
    let body = json!({ "amount": DEPOSIT_CENTS, "currency": "USD" });
    api.create(&format!("/users/{id}/deposits"), Some(&format!("demo-deposit-{id}")), &body).await.map(drop)
}

/// The calls of the REST API that are needed.
struct Api {
    http: Client,
    base: String,
    token: Option<String>,
}

impl Api {
    async fn log_in(&mut self, email: &str, password: &str) -> anyhow::Result<()> {
        let session = self.create("/sessions", None, &json!({ "email": email, "password": password })).await?;
        let session = session.context("the session can't be opened")?;
        self.token = Some(session["accessToken"].as_str().context("the session has no token")?.to_owned());
        Ok(())
    }

    /// Posts, and gives the answer's data, or `None` when the resource exists already.
    async fn create(&self, path: &str, key: Option<&str>, body: &Value) -> anyhow::Result<Option<Value>> {
        let mut request = self.http.post(format!("{}{path}", self.base)).json(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.send().await.with_context(|| format!("POST {path} failed"))?;
        let status = answer.status();
        let mut body: Value = answer.json().await.with_context(|| format!("POST {path} gave no JSON"))?;
        if status == StatusCode::CONFLICT && body["reason"] == "ALREADY_EXISTS" {
            return Ok(None);
        }
        if !status.is_success() {
            bail!("POST {path} was answered {status}: {body}");
        }
        Ok(Some(body["data"].take()))
    }
}
