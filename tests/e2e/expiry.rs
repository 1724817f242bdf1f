//! Orders that nobody pays.

use end_to_end::{Overrides, Shop, eventually, order_of};
use serde_json::json;

#[tokio::test]
async fn an_unpaid_order_expires_and_gives_its_stock_back() {
    let soon = toml::toml! { [orders]
    payment_window_ms = 1_500 };
    let shop = Shop::open_with("expiry", Overrides::from([("order".to_owned(), soon)])).await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 3).await;
    let order = customer.post_keyed("/orders", order_of(&[("tea", 2)])).await.expect_status(201).data();
    assert_eq!(shop.available("tea").await, 1);
    eventually("the expiry", async || shop.available("tea").await == 3).await;
    let late = primitives::now().duration_since(order["expiresAt"].as_str().unwrap().parse().unwrap());
    assert!(!late.is_negative(), "it expired before its time: {late:?}");
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    assert_eq!(customer.get(&path).await.data()["status"], "expired");
    let pay = customer.post_keyed(&format!("{path}/payments"), json!({ "method": "balance" })).await;
    pay.expect_refusal(409, "INVALID_STATE");
    customer.post_empty(&format!("{path}/cancel")).await.expect_refusal(409, "INVALID_STATE");
    shop.verify_books().await;
}

#[tokio::test]
async fn the_expiry_of_many_orders_keeps_the_books() {
    let soon = toml::toml! { [orders]
    payment_window_ms = 2_000 };
    let shop = Shop::open_with("expiry_many", Overrides::from([("order".to_owned(), soon)])).await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 40).await;
    shop.product(&admin, "pot", 450, 40).await;
    let placing = (0..20).map(|_| customer.post_keyed("/orders", order_of(&[("tea", 1), ("pot", 2)])));
    for reply in futures::future::join_all(placing).await {
        reply.expect_status(201);
    }
    eventually("the expiry of all", async || shop.available("tea").await == 40 && shop.available("pot").await == 40)
        .await;
    shop.verify_books().await;
}
