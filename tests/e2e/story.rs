//! The way of an order from the catalogue to a refund.

use end_to_end::{Client, Overrides, Shop, eventually, order_of};
use reqwest::Method;
use serde_json::{Value, json};

async fn balance(customer: &Client) -> i64 {
    customer.get("/users/me/balance").await.expect_status(200).data()["amount"].as_i64().unwrap()
}

#[tokio::test]
async fn an_order_is_placed_paid_cancelled_and_refunded() {
    let shop = Shop::open("story").await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 10).await;
    shop.product(&admin, "pot", 2_000, 5).await;
    let me = customer.get("/users/me").await.expect_status(200).data();
    let deposit = json!({ "amount": 10_000, "currency": "USD" });
    let deposits = format!("/users/{}/deposits", me["id"].as_str().unwrap());
    admin.post_keyed(&deposits, deposit).await.expect_success();

    let placed = customer.post_keyed("/orders", order_of(&[("tea", 2), ("pot", 1), ("tea", 1)])).await;
    let placed = placed.expect_status(201);
    let order = placed.data();
    let id = order["id"].as_str().unwrap();
    assert_eq!(placed.header("location"), Some(format!("/api/v1/orders/{id}").as_str()));
    assert_eq!(order["status"], "pending_payment");
    assert_eq!(order["userId"], me["id"]);
    assert_eq!(order["total"], json!({ "amount": 3_350, "currency": "USD" }));
    assert_eq!(order["risk"], json!({ "decision": "accept", "source": "service" }));
    let line = order["lines"].as_array().unwrap().iter().find(|line| line["sku"] == "tea").unwrap().clone();
    assert_eq!((&line["quantity"], &line["lineTotal"]["amount"]), (&json!(3), &json!(1_350)), "{line}");
    assert_eq!((shop.available("tea").await, shop.available("pot").await), (7, 4));

    let path = format!("/orders/{id}");
    assert_eq!(customer.get(&path).await.expect_status(200).data(), order);
    let paid = customer.post_keyed(&format!("{path}/payments"), json!({ "method": "balance" })).await;
    let paid = paid.expect_success().data();
    assert_eq!((&paid["status"], &paid["amount"]["amount"]), (&json!("captured"), &json!(3_350)));
    assert_eq!(balance(&customer).await, 6_650);
    let order = customer.get(&path).await.data();
    assert_eq!((&order["status"], &order["version"]), (&json!("paid"), &json!(2)));
    assert!(order["paidAt"].is_string(), "{order}");

    let cancelled = customer.post_empty(&format!("{path}/cancel")).await.expect_status(200).data();
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!((shop.available("tea").await, shop.available("pot").await), (10, 5));
    eventually("the refund", async || balance(&customer).await == 10_000).await;
    let payments = customer.get(&format!("{path}/payments")).await.expect_status(200).data();
    assert_eq!(payments["items"][0]["status"], "refunded", "{payments}");
    customer.post_empty(&format!("{path}/cancel")).await.expect_refusal(409, "INVALID_STATE");

    let movements = admin.get("/products/tea/stock-movements").await.expect_status(200).data();
    let deltas: Vec<_> = movements["items"].as_array().unwrap().iter().map(|m| m["delta"].as_i64().unwrap()).collect();
    assert_eq!(deltas, [3, -3, 10]);
    shop.verify_books().await;
}

#[tokio::test]
async fn lists_are_paged_newest_first_and_filtered() {
    let shop = Shop::open("lists").await;
    let (admin, customer, other) = (shop.admin().await, shop.customer().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 100).await;
    let mut placed = Vec::new();
    for _ in 0..5 {
        let order = customer.post_keyed("/orders", order_of(&[("tea", 1)])).await.expect_status(201).data();
        placed.push(order["id"].clone());
    }
    other.post_keyed("/orders", order_of(&[("tea", 1)])).await.expect_status(201);
    let cancelled = placed[2].as_str().unwrap().to_owned();
    customer.post_empty(&format!("/orders/{cancelled}/cancel")).await.expect_status(200);
    placed.reverse();

    let seen = all_pages(&customer, "/orders?pageSize=2").await;
    assert_eq!(seen, placed);
    assert_eq!(all_pages(&customer, "/orders?pageSize=2&status=cancelled").await, [cancelled.as_str()]);
    assert_eq!(all_pages(&customer, "/orders?pageSize=1&status=pending_payment").await.len(), 4);
    assert_eq!(all_pages(&admin, "/orders?pageSize=4").await.len(), 6);

    let first = customer.get("/orders?pageSize=2").await.data();
    let token = first["nextPageToken"].as_str().unwrap();
    let foreign = other.get(&format!("/orders?pageSize=2&pageToken={token}")).await;
    foreign.expect_refusal(400, "INVALID_PAGE_TOKEN");
    let forged = customer.get(&format!("/orders?pageSize=2&pageToken={}AAAA", &token[4..])).await;
    forged.expect_refusal(400, "INVALID_PAGE_TOKEN");
}

async fn all_pages(client: &Client, path: &str) -> Vec<Value> {
    let (mut seen, mut token) = (Vec::new(), String::new());
    for _ in 0..50 {
        let page = client.get(&format!("{path}{token}")).await.expect_status(200).data();
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()));
        match page["nextPageToken"].as_str() {
            Some(next) => token = format!("&pageToken={next}"),
            None => return seen,
        }
    }
    panic!("{path} has no end")
}

#[tokio::test]
async fn a_product_is_changed_only_from_its_present_version() {
    let shop = Shop::open("versions").await;
    let admin = shop.admin().await;
    shop.product(&admin, "tea", 450, 0).await;
    let shown = shop.anyone().get("/products/tea").await.expect_status(200);
    let etag = shown.header("etag").unwrap().to_owned();
    let unchanged = shop.anyone().request(Method::GET, "/products/tea").header("If-None-Match", &etag);
    let unchanged = Client::send(unchanged).await.expect_status(304);
    assert!(unchanged.bytes.is_empty());

    let change = |etag: Option<&str>| {
        let request = admin.request(Method::PATCH, "/products/tea");
        let request = etag.into_iter().fold(request, |request, etag| request.header("If-Match", etag));
        request.json(&json!({ "price": { "amount": 500, "currency": "USD" } }))
    };
    Client::send(change(None)).await.expect_refusal(428, "VERSION_REQUIRED");
    let changed = Client::send(change(Some(&etag))).await.expect_status(200).data();
    assert_eq!((&changed["price"]["amount"], &changed["version"]), (&json!(500), &json!(2)));
    Client::send(change(Some(&etag))).await.expect_refusal(412, "VERSION_MISMATCH");
    assert_ne!(shop.anyone().get("/products/tea").await.header("etag"), Some(etag.as_str()));
    let again = json!({ "sku": "tea", "name": "x", "category": "y", "price": { "amount": 1, "currency": "USD" } });
    admin.post("/products", again).await.expect_refusal(409, "ALREADY_EXISTS");
}

#[tokio::test]
async fn a_new_price_is_heard_of_and_orders_keep_the_one_they_were_placed_at() {
    // Without hearing of the change, the old price would be kept for as long as this.
    let keep = toml::toml! { [orders]
    price_cache_ms = 3_600_000 };
    let shop = Shop::open_with("new_price", Overrides::from([("order".to_owned(), keep)])).await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 100).await;
    let place = async || customer.post_keyed("/orders", order_of(&[("tea", 2)])).await.expect_status(201).data();
    let first = place().await;
    assert_eq!(first["total"]["amount"], 900);
    let version = shop.anyone().get("/products/tea").await.header("etag").unwrap().to_owned();
    let change = admin.request(Method::PATCH, "/products/tea").header("If-Match", version);
    Client::send(change.json(&json!({ "price": { "amount": 500, "currency": "USD" } }))).await.expect_status(200);
    eventually("the new price", async || place().await["total"]["amount"] == 1_000).await;
    let kept = customer.get(&format!("/orders/{}", first["id"].as_str().unwrap())).await;
    assert_eq!(kept.expect_status(200).data()["total"]["amount"], 900);
    shop.verify_books().await;
}
