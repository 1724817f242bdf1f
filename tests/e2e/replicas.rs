//! Parts that go away.

use std::time::Duration;

use end_to_end::{Shop, eventually, fresh_key, order_of};

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
async fn services_stop_in_good_order_when_asked_to() {
    let shop = Shop::open("stop").await;
    let names =
        ["gateway", "order-1", "inventory", "user", "payment", "card-sandbox", "reconciliation", "risk"];
    for name in names {
        let process = shop.platform.process(name).unwrap();
        let status = process.terminate(Duration::from_secs(15)).await.unwrap();
        assert!(status.success(), "{name} ended with {status}");
    }
}
