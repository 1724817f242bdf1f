//! The same key, again and at once.

use end_to_end::{Client, Shop, eventually, fresh_key, order_of};
use serde_json::{Value, json};

/// Sends a call twice and then with another body.
async fn same_answer_twice(client: &Client, path: &str, body: Value, other: Option<Value>) {
    let key = fresh_key();
    let first = client.post_with_key(path, body.clone(), &key).await.expect_success();
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = client.post_with_key(path, body, &key).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"), "{path}: {}", again.text());
    assert_eq!((again.status, &again.bytes), (first.status, &first.bytes), "{path}");
    assert_eq!(again.header("location"), first.header("location"), "{path}");
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    if let Some(other) = other {
        client.post_with_key(path, other, &key).await.expect_refusal(422, "IDEMPOTENCY_KEY_REUSED");
    }
}

#[tokio::test]
async fn every_keyed_call_gives_its_first_answer_again_byte_for_byte() {
    let shop = Shop::open("idempotency").await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 10).await;
    let adjustment = |delta: i64| json!({ "delta": delta, "reason": "delivery" });
    same_answer_twice(&admin, "/products/tea/stock-adjustments", adjustment(5), Some(adjustment(6))).await;
    let me = customer.get("/users/me").await.data()["id"].as_str().unwrap().to_owned();
    let deposit = |amount: i64| json!({ "amount": amount, "currency": "USD" });
    same_answer_twice(&admin, &format!("/users/{me}/deposits"), deposit(10_000), Some(deposit(1))).await;
    same_answer_twice(&customer, "/orders", order_of(&[("tea", 1)]), Some(order_of(&[("tea", 2)]))).await;
    assert_eq!(shop.available("tea").await, 14);

    let order = customer.post_keyed("/orders", order_of(&[("tea", 2)])).await.data();
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    let card = json!({ "method": "card", "token": "tok_ok" });
    same_answer_twice(&customer, &format!("{path}/payments"), json!({ "method": "balance" }), Some(card)).await;
    same_answer_twice(&customer, &format!("{path}/cancel"), json!({}), None).await;
    assert_eq!(shop.available("tea").await, 14);
    shop.verify_books().await;
}

#[tokio::test]
async fn an_answer_stays_the_same_though_the_order_has_moved_on() {
    let shop = Shop::open("idempotency_later").await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 1).await;
    let key = fresh_key();
    let first = customer.post_with_key("/orders", order_of(&[("tea", 1)]), &key).await.expect_status(201);
    let id = first.data()["id"].as_str().unwrap().to_owned();
    customer.post_empty(&format!("/orders/{id}/cancel")).await.expect_status(200);
    let again = customer.post_with_key("/orders", order_of(&[("tea", 1)]), &key).await.expect_status(201);
    assert_eq!(again.bytes, first.bytes);
    assert_eq!(shop.available("tea").await, 1);
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let shop = Shop::open("idempotency_refusal").await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 0).await;
    let key = fresh_key();
    let refused = customer.post_with_key("/orders", order_of(&[("tea", 1)]), &key).await;
    let refused = refused.expect_refusal(409, "INSUFFICIENT_STOCK");
    assert_eq!(refused.json()["details"], json!([{ "sku": "tea", "requested": 1, "available": 0 }]));
    let delivery = json!({ "delta": 1, "reason": "delivery" });
    admin.post_keyed("/products/tea/stock-adjustments", delivery).await.expect_success();
    // A replica that has just refused looks at the counter again within a second.
    eventually("the sale", async || {
        customer.post_with_key("/orders", order_of(&[("tea", 1)]), &key).await.status == 201
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_twins_on_two_replicas_one_takes_effect() {
    let shop = Shop::open("idempotency_twins").await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 100).await;
    for _ in 0..5 {
        let key = fresh_key();
        let twins = (0..16).map(|_| customer.post_with_key("/orders", order_of(&[("tea", 1)]), &key));
        let replies = futures::future::join_all(twins).await;
        let ids: std::collections::BTreeSet<_> = replies
            .iter()
            .filter(|reply| reply.status == 201)
            .map(|reply| reply.data()["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), 1);
        for reply in replies.into_iter().filter(|reply| reply.status != 201) {
            let reply = reply.expect_refusal(409, "IDEMPOTENCY_IN_FLIGHT");
            assert!(reply.header("retry-after").is_some());
        }
    }
    assert_eq!(shop.available("tea").await, 95);
    shop.verify_books().await;
}
