//! Every query has an index: the server records what the services really ask it, and each is explained on a database
//! in which reading too much would show.

use std::collections::BTreeMap;

use end_to_end::{Client, Overrides, Shop, eventually, order_of};
use futures::TryStreamExt as _;
use mongodb::Database;
use mongodb::bson::{Bson, Document, doc};
use serde_json::json;

/// What a query may examine beyond what it returns, in keys and in documents. One is the end of a range; the rest is
/// for conditions on the few orders that are being paid.
const SLACK: i64 = 3;

/// Sections of a command that say when and how it was sent, not what it asks.
const CIRCUMSTANCES: [&str; 14] = [
    "lsid",
    "txnNumber",
    "$clusterTime",
    "$db",
    "readConcern",
    "writeConcern",
    "$readPreference",
    "autocommit",
    "startTransaction",
    "maxTimeMS",
    "apiVersion",
    "ordered",
    "bypassDocumentValidation",
    "stmtIds",
];

/// Fills the shop with what others have bought, so that a query that reads more than its own things is seen.
async fn crowd(shop: &Shop, admin: &Client) {
    for number in 0..30 {
        shop.product(admin, &format!("other-{number}"), 100, 50).await;
    }
    for _ in 0..4 {
        let customer = shop.customer().await;
        for _ in 0..8 {
            let order =
                customer.post_keyed("/orders", order_of(&[("tea", 1), ("other-1", 1)])).await.expect_status(201);
            let id = order.data()["id"].as_str().unwrap().to_owned();
            customer.post_empty(&format!("/orders/{id}/cancel")).await.expect_status(200);
        }
        customer.post_keyed("/orders", order_of(&[("tea", 1)])).await.expect_status(201);
    }
}

/// Uses every call that reads or changes something.
async fn use_everything(shop: &Shop, admin: &Client) {
    let anyone = shop.anyone();
    let customer = shop.customer().await;
    for path in [
        "/products?pageSize=5",
        "/products?pageSize=5&category=tests",
        "/products?pageSize=5&q=product%20o",
        "/products?pageSize=5&category=tests&q=product%20o",
    ] {
        let page = anyone.get(path).await.expect_status(200).data();
        let next = page["nextPageToken"].as_str().unwrap_or_else(|| panic!("{path} has one page: {page}"));
        anyone.get(&format!("{path}&pageToken={next}")).await.expect_status(200);
    }
    anyone.get("/products/tea").await.expect_status(200);
    shop.available("tea").await;
    let patch = admin.request(reqwest::Method::PATCH, "/products/tea").header("If-Match", "\"v1\"");
    Client::send(patch.json(&json!({ "name": "Green tea" }))).await.expect_status(200);
    for client in [&customer, admin] {
        for list in ["/orders?pageSize=2", "/orders?pageSize=2&status=cancelled"] {
            client.get(list).await.expect_status(200);
        }
    }
    let me = customer.get("/users/me").await.expect_status(200);
    let id = me.data()["id"].as_str().unwrap().to_owned();
    let rename = customer.request(reqwest::Method::PATCH, "/users/me").header("If-Match", me.header("etag").unwrap());
    Client::send(rename.json(&json!({ "name": "Another Name" }))).await.expect_status(200);
    let deposit = json!({ "amount": 100_000, "currency": "USD" });
    admin.post_keyed(&format!("/users/{id}/deposits"), deposit).await.expect_success();
    customer.get("/users/me/balance").await.expect_status(200);
    for list in ["/users?pageSize=2", "/products/tea/stock-movements?pageSize=2"] {
        let page = admin.get(list).await.expect_status(200).data();
        let next = page["nextPageToken"].as_str().unwrap();
        admin.get(&format!("{list}&pageToken={next}")).await.expect_status(200);
    }
    pay_and_cancel(&customer).await;
    customer
        .post_keyed("/orders", order_of(&[("tea", 1_000_000 / 10)]))
        .await
        .expect_refusal(409, "INSUFFICIENT_STOCK");
    sessions(shop).await;
}

async fn pay_and_cancel(customer: &Client) {
    for method in [json!({ "method": "balance" }), json!({ "method": "card", "token": "tok_ok" })] {
        let key = end_to_end::fresh_key();
        let order = order_of(&[("tea", 1), ("other-2", 1)]);
        let placed = customer.post_with_key("/orders", order.clone(), &key).await.expect_status(201).data();
        customer.post_with_key("/orders", order, &key).await.expect_status(201);
        let path = format!("/orders/{}", placed["id"].as_str().unwrap());
        customer.post_keyed(&format!("{path}/payments"), method).await.expect_success();
        customer.get(&format!("{path}/payments")).await.expect_status(200);
        customer.post_empty(&format!("{path}/cancel")).await.expect_status(200);
        let refunded = async || {
            let payments = customer.get(&format!("{path}/payments")).await.expect_status(200).data();
            payments["items"][0]["status"] == "refunded"
        };
        eventually("the refund", refunded).await;
    }
    let doomed = customer.post_keyed("/orders", order_of(&[("other-3", 1)])).await.expect_status(201).data();
    let path = format!("/orders/{}", doomed["id"].as_str().unwrap());
    eventually("an expiry", async || customer.get(&path).await.data()["status"] == "expired").await;
}

async fn sessions(shop: &Shop) {
    let login = json!({ "email": devstack::platform::ADMIN_EMAIL, "password": "wrong password" });
    shop.anyone().post("/sessions", login).await.expect_refusal(401, "BAD_CREDENTIALS");
    let user = json!({ "name": "Ann", "email": "ann@example.com", "password": "12345678" });
    shop.anyone().post("/users", user).await.expect_status(201);
    let login = json!({ "email": "ann@example.com", "password": "12345678" });
    let tokens = shop.anyone().post("/sessions", login.clone()).await.expect_success().data();
    let refresh = json!({ "refreshToken": tokens["refreshToken"] });
    let next = shop.anyone().post("/sessions/refresh", refresh.clone()).await.expect_success().data();
    shop.anyone().post("/sessions/refresh", refresh).await.expect_refusal(401, "UNAUTHENTICATED");
    let ann = shop.anyone().with_token(next["accessToken"].as_str().unwrap());
    let out = ann.request(reqwest::Method::DELETE, "/sessions/current");
    Client::send(out).await.expect_success();
}

/// What the services have asked, one example of each shape.
#[allow(clippy::disallowed_methods)] // the server's own record has no read or write concern
async fn recorded(database: &Database) -> BTreeMap<String, Document> {
    let profile = database.collection::<Document>("system.profile");
    let filter = doc! {
        "appName": "fournines",
        "op": { "$in": ["query", "command", "update", "remove", "getmore"] },
        "ns": { "$not": { "$regex": r"\.(system\.|migrations$)" } },
    };
    let entries: Vec<Document> = profile.find(filter).await.unwrap().try_collect().await.unwrap();
    let mut shapes = BTreeMap::new();
    for entry in entries {
        if let Some(command) = explainable(&entry) {
            shapes.insert(shape(&command), command);
        }
    }
    shapes
}

/// The query of a profiled entry as a command that can be explained.
fn explainable(entry: &Document) -> Option<Document> {
    let command = entry.get_document("command").ok()?;
    let collection = entry.get_str("ns").ok()?.split_once('.')?.1;
    // The profiler shows each statement of an update or a delete by itself.
    if command.contains_key("q") {
        let statement = ["q", "u", "multi", "upsert", "limit", "c", "arrayFilters"];
        let statement: Document = command
            .iter()
            .filter(|(key, _)| statement.contains(&key.as_str()))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let (name, list) = if command.contains_key("u") { ("update", "updates") } else { ("delete", "deletes") };
        return Some(doc! { name: collection, list: [statement] });
    }
    let name = command.keys().next()?.as_str();
    let asks = ["find", "aggregate", "count", "distinct", "findAndModify", "findandmodify"];
    if !asks.contains(&name) {
        return None;
    }
    let kept = command.iter().filter(|(key, _)| !CIRCUMSTANCES.contains(&key.as_str()) && key.as_str() != "new");
    Some(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// The command without its values: two that differ only in those are one query.
fn shape(command: &Document) -> String {
    fn blank(value: &Bson) -> Bson {
        match value {
            Bson::Document(document) => Bson::Document(document.iter().map(|(k, v)| (k.clone(), blank(v))).collect()),
            Bson::Array(values) => Bson::Array(values.first().map(blank).into_iter().collect()),
            _ => Bson::Null,
        }
    }
    let (name, target) = command.iter().next().unwrap();
    format!("{name} {target} {}", blank(&Bson::Document(command.clone())))
}

fn number(document: &Document, key: &str) -> i64 {
    match document.get(key) {
        Some(Bson::Int32(number)) => i64::from(*number),
        Some(Bson::Int64(number)) => *number,
        other => panic!("{key} is {other:?} in {document}"),
    }
}

/// What a statement changed; a plan that only reads has changed nothing.
fn changed(stages: &Document) -> i64 {
    let here: i64 = ["nWouldModify", "nWouldDelete", "nMatched"]
        .iter()
        .filter_map(|key| stages.get(key))
        .map(|value| value.as_i64().or_else(|| value.as_i32().map(i64::from)).unwrap_or_default())
        .max()
        .unwrap_or_default();
    here.max(stages.get_document("inputStage").map_or(0, changed))
}

#[tokio::test]
async fn no_query_examines_more_than_it_returns() {
    let soon = toml::toml! { [orders]
    payment_window_ms = 20_000 };
    let shop = Shop::open_with("queries", Overrides::from([("order".to_owned(), soon)])).await;
    let admin = shop.admin().await;
    let database = shop.database().await;
    shop.product(&admin, "tea", 450, 1_000).await;
    crowd(&shop, &admin).await;
    // By default the record holds 1 MB, and forgets what came first.
    let record = doc! { "create": "system.profile", "capped": true, "size": 256 * 1024 * 1024 };
    database.run_command(record).await.unwrap();
    database.run_command(doc! { "profile": 2, "slowms": 100_000 }).await.unwrap();
    use_everything(&shop, &admin).await;
    database.run_command(doc! { "profile": 0 }).await.unwrap();

    let queries = recorded(&database).await;
    let mut offenders = Vec::new();
    for (shape, command) in &queries {
        let explained = doc! { "explain": command.clone(), "verbosity": "executionStats" };
        let explained = database.run_command(explained).await.unwrap_or_else(|error| panic!("{shape}: {error}"));
        let Ok(stats) = explained.get_document("executionStats") else { panic!("{shape}: {explained}") };
        let (keys, documents) = (number(stats, "totalKeysExamined"), number(stats, "totalDocsExamined"));
        let useful = number(stats, "nReturned").max(stats.get_document("executionStages").map_or(0, changed));
        println!("{keys:>4} keys {documents:>4} documents {useful:>4} useful  {shape}");
        let bound = useful + SLACK;
        let scan = explained.to_string().contains("\"COLLSCAN\"");
        if keys > bound || documents > bound || scan {
            offenders.push(format!("{keys} keys, {documents} documents for {useful}: {command}"));
        }
    }
    assert!(offenders.is_empty(), "{offenders:#?}");
    // Each service was heard, and far more than a handful of queries.
    for collection in
        ["products", "stock_levels", "stock_movements", "orders", "users", "accounts", "payments", "leases"]
    {
        assert!(queries.keys().any(|shape| shape.contains(collection)), "nothing was asked of {collection}");
    }
    assert!(queries.len() >= 25, "only {} queries were heard", queries.len());
}
