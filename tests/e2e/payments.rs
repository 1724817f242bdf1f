//! Paying by card, with a provider that misbehaves.

use end_to_end::{Client, Overrides, Reply, Shop, eventually, order_of};
use serde_json::{Value, json};

struct Sale {
    shop: Shop,
    customer: Client,
}

impl Sale {
    async fn open(test: &str) -> Self {
        // A short lease lets an attempt whose outcome was lost be finished while the test waits.
        let order = toml::toml! { [orders]
        payment_lease_ms = 2_000 };
        let card = toml::toml! { [card]
        timeout_ms = 1_000 };
        let overrides = Overrides::from([("order".to_owned(), order), ("payment".to_owned(), card)]);
        let shop = Shop::open_with(test, overrides).await;
        let admin = shop.admin().await;
        shop.product(&admin, "tea", 450, 100).await;
        let customer = shop.customer().await;
        Self { shop, customer }
    }

    async fn order(&self) -> String {
        let order = self.customer.post_keyed("/orders", order_of(&[("tea", 1)])).await.expect_status(201).data();
        format!("/orders/{}", order["id"].as_str().unwrap())
    }

    async fn pay(&self, order: &str, body: Value) -> Reply {
        self.customer.post_keyed(&format!("{order}/payments"), body).await
    }

    async fn status(&self, order: &str) -> String {
        self.customer.get(order).await.expect_status(200).data()["status"].as_str().unwrap().to_owned()
    }
}

fn card(token: &str) -> Value {
    json!({ "method": "card", "token": token })
}

#[tokio::test]
async fn a_card_pays_once_and_a_declined_one_leaves_the_order_payable() {
    let sale = Sale::open("card").await;
    let order = sale.order().await;
    sale.pay(&order, card("tok_declined")).await.expect_refusal(402, "PAYMENT_DECLINED");
    assert_eq!(sale.status(&order).await, "pending_payment");
    sale.pay(&order, json!({ "method": "balance" })).await.expect_refusal(402, "INSUFFICIENT_FUNDS");
    let paid = sale.pay(&order, card("tok_ok")).await.expect_success().data();
    assert_eq!((&paid["method"], &paid["status"]), (&json!("card"), &json!("captured")));
    sale.pay(&order, card("tok_ok")).await.expect_refusal(409, "INVALID_STATE");
    assert_eq!(sale.status(&order).await, "paid");
    sale.shop.verify_books().await;
}

#[tokio::test]
async fn a_payment_whose_answer_is_lost_is_looked_up_and_never_repeated() {
    let sale = Sale::open("card_lost").await;
    for token in ["tok_drop", "tok_fail_after", "tok_twice", "tok_slow_2500"] {
        let order = sale.order().await;
        let reply = sale.pay(&order, card(token)).await;
        assert!(reply.status.is_success() || [503, 504].contains(&reply.status.as_u16()), "{}", reply.text());
        eventually(token, async || sale.status(&order).await == "paid").await;
        let payments = sale.customer.get(&format!("{order}/payments")).await.expect_status(200).data();
        let statuses: Vec<_> = payments["items"].as_array().unwrap().iter().map(|p| p["status"].clone()).collect();
        assert_eq!(statuses, ["captured"], "{token}");
    }
    sale.shop.verify_books().await;
}

#[tokio::test]
async fn a_payment_and_a_cancellation_at_once_end_in_one_of_the_two() {
    let sale = Sale::open("pay_or_cancel").await;
    for _ in 0..10 {
        let order = sale.order().await;
        let cancel = format!("{order}/cancel");
        let (paid, cancelled) = futures::join!(sale.pay(&order, card("tok_ok")), sale.customer.post_empty(&cancel));
        let settled = async || {
            let payments = sale.customer.get(&format!("{order}/payments")).await.data();
            let captured = payments["items"].as_array().unwrap().iter().any(|payment| payment["status"] == "captured");
            match sale.status(&order).await.as_str() {
                "paid" => captured,
                "cancelled" => !captured,
                _ => false,
            }
        };
        assert!(paid.status.is_success() || cancelled.status.is_success());
        eventually("one of the two", settled).await;
    }
    sale.shop.verify_books().await;
}
