//! Orders that were accepted while the risk service was away are looked at once it is back.

use end_to_end::{Client, Overrides, Shop, eventually, order_of};
use serde_json::{Value, json};

async fn shop(test: &str) -> Shop {
    let settings = toml::toml! {
        [rules]
        reject_at = 100
        [[rules.list]]
        points = 100
        when = { kind = "orders_of_user", most = 2, within_seconds = 3600 }
    };
    Shop::open_with(test, Overrides::from([("risk".to_owned(), settings)])).await
}

async fn place(customer: &Client) -> Value {
    customer.post_keyed("/orders", order_of(&[("tea", 1)])).await.expect_status(201).data()
}

async fn balance(customer: &Client) -> i64 {
    customer.get("/users/me/balance").await.expect_status(200).data()["amount"].as_i64().unwrap()
}

#[tokio::test]
async fn one_order_too_many_is_refused_and_a_retry_is_not_one_more() {
    let shop = shop("too_many").await;
    let (admin, customer, other) = (shop.admin().await, shop.customer().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 10).await;
    for key in ["first", "second"] {
        for _ in 0..3 {
            let order = customer.post_with_key("/orders", order_of(&[("tea", 1)]), key).await.expect_success();
            assert_eq!(order.data()["risk"]["source"], "service");
        }
    }
    let refused = customer.post_keyed("/orders", order_of(&[("tea", 1)])).await;
    refused.expect_refusal(403, "RISK_REJECTED");
    place(&other).await;
    assert_eq!(shop.available("tea").await, 7);
    shop.verify_books().await;
}

#[tokio::test]
async fn what_is_refused_late_is_cancelled_and_refunded() {
    let shop = shop("refused_late").await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 10).await;
    let me = customer.get("/users/me").await.expect_status(200).data();
    let deposits = format!("/users/{}/deposits", me["id"].as_str().unwrap());
    admin.post_keyed(&deposits, json!({ "amount": 10_000, "currency": "USD" })).await.expect_success();
    // The broker of the tests may never share out the partitions of a group again that lost a member while it shared
    // them.
    eventually("risk reads events", async || shop.metric("risk", "consumer_partitions").await > Some(0)).await;
    let risk = shop.platform.process("risk").unwrap();
    risk.kill9().await.unwrap();
    let mut paths = Vec::new();
    for _ in 0..4 {
        let order = place(&customer).await;
        assert_eq!(order["risk"], json!({ "decision": "accept", "source": "local_rules" }));
        paths.push(format!("/orders/{}", order["id"].as_str().unwrap()));
    }
    // Nobody keeps them from being paid in the meantime.
    for path in &paths[1..] {
        customer.post_keyed(&format!("{path}/payments"), json!({ "method": "balance" })).await.expect_success();
    }
    assert_eq!((balance(&customer).await, shop.available("tea").await), (8_650, 6));
    risk.start_again().unwrap();
    // Two are one's right, whichever it looks at first; it is one or two paid ones that go back.
    let cancelled = async || {
        let mut cancelled = 0;
        for path in &paths {
            let order = customer.get(path).await.expect_status(200).data();
            cancelled += u32::from(order["status"] == "cancelled");
        }
        cancelled
    };
    eventually("two are cancelled", async || cancelled().await == 2).await;
    let unpaid = customer.get(&paths[0]).await.data()["status"] == "pending_payment";
    let left = if unpaid { 9_550 } else { 9_100 };
    eventually("the refunds", async || balance(&customer).await == left).await;
    assert_eq!((cancelled().await, shop.available("tea").await), (2, 8));
    // The books add up, and no order waits for a verdict any more.
    shop.verify_books().await;
    #[allow(clippy::disallowed_methods)] // a test reads past every policy
    let orders = shop.database().await.collection::<mongodb::bson::Document>("orders");
    let waiting = mongodb::bson::doc! { "reviewAt": { "$exists": true } };
    eventually("all are reviewed", async || orders.count_documents(waiting.clone()).await.unwrap() == 0).await;
}
