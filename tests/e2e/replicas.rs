//! Parts that go away.

use std::time::Duration;

use end_to_end::{Shop, eventually, fresh_key, order_of};
use tokio::process::Command;

#[tokio::test]
async fn orders_go_on_without_one_of_their_replicas_and_nothing_is_placed_twice() {
    let shop = Shop::open("replicas").await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, 1_000).await;
    let placing = async {
        for _ in 0..100 {
            let key = fresh_key();
            eventually("an order", async || {
                customer.post_with_key("/orders", order_of(&[("tea", 1)]), &key).await.status == 201
            })
            .await;
        }
    };
    let killing = async {
        let replica = shop.platform.process("order-1").unwrap();
        eventually("the first orders", async || shop.available("tea").await < 980).await;
        replica.kill9().await.unwrap();
        eventually("orders on one replica", async || shop.available("tea").await < 940).await;
        replica.start_again().unwrap();
    };
    futures::join!(placing, killing);
    shop.platform.wait_until_ready(Duration::from_secs(30)).await.unwrap();
    assert_eq!(shop.available("tea").await, 900);
    shop.verify_books().await;
}

/// With this many buyers of one SKU there is always a batch under way.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_killed_in_mid_batch_leave_one_order_for_each_key() {
    const BUYERS: i64 = 32;
    const EACH: i64 = 15;
    let shop = Shop::open("replicas_batch").await;
    let (admin, customer) = (shop.admin().await, shop.customer().await);
    shop.product(&admin, "tea", 450, BUYERS * EACH).await;
    let buying = futures::future::join_all((0..BUYERS).map(|_| async {
        for _ in 0..EACH {
            let key = fresh_key();
            eventually("an order", async || {
                customer.post_with_key("/orders", order_of(&[("tea", 1)]), &key).await.status == 201
            })
            .await;
        }
    }));
    let killing = async {
        for (name, sold) in [("order-1", 60), ("order-2", 180), ("order-1", 300)] {
            eventually("more orders", async || shop.available("tea").await <= BUYERS * EACH - sold).await;
            let replica = shop.platform.process(name).unwrap();
            replica.kill9().await.unwrap();
            replica.start_again().unwrap();
            shop.platform.wait_until_ready_one(name, Duration::from_secs(30)).await.unwrap();
        }
    };
    futures::join!(buying, killing);
    assert_eq!(shop.available("tea").await, 0);
    shop.verify_books().await;
}

#[tokio::test]
async fn the_charts_test_passes_and_services_stop_in_good_order_after_it() {
    const EMAIL: &str = "helm-test@example.com";
    const PASSWORD: &str = "correct horse";
    const SKU: &str = "HELM-TEST";
    let shop = Shop::open("stop").await;
    place_as_the_chart_does(&shop, SKU, EMAIL, PASSWORD).await;
    assert_eq!(shop.available(SKU).await, 1);
    let orders = shop.log_in(EMAIL, PASSWORD).await.get("/orders").await.expect_status(200).data();
    let statuses: Vec<_> = orders["items"].as_array().unwrap().iter().map(|order| &order["status"]).collect();
    assert_eq!(statuses, ["cancelled"]);
    // `helm test` can be run again.
    place_as_the_chart_does(&shop, SKU, EMAIL, PASSWORD).await;

    let names = ["gateway", "order-1", "inventory", "user", "payment", "card-sandbox", "reconciliation", "risk"];
    for name in names {
        let process = shop.platform.process(name).unwrap();
        let status = process.terminate(Duration::from_secs(15)).await.unwrap();
        assert!(status.success(), "{name} ended with {status}");
    }
}

/// Runs what `helm test` runs, with an administrator as an installation for development has it.
async fn place_as_the_chart_does(shop: &Shop, sku: &str, email: &str, password: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../helm/fournines/files/place-order.sh");
    let told = Command::new("sh")
        .arg(script)
        .env("API", shop.platform.gateway_url())
        .env("SKU", sku)
        .env("EMAIL", email)
        .env("PASSWORD", password)
        .env("CURRENCY", "USD")
        .env("ADMIN_EMAIL", devstack::platform::ADMIN_EMAIL)
        .env("ADMIN_PASSWORD", shop.platform.secrets().read_admin_password().unwrap())
        .output()
        .await
        .unwrap();
    let (out, steps) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(told.status.success() && out.contains("was placed, read and cancelled"), "{out}{steps}");
}
