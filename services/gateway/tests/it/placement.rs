//! Placement of orders on the replicas of the order service: orders of one SKU go to one replica, or to another when it
//! is unavailable or overloaded.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use envelope::{Error, Reason};
use serde_json::{Value, json};
use service::Shell;
use tokio::net::{TcpListener, TcpStream};

use crate::support::fake::{self, Answer};
use crate::support::{Fake, Gateway, failure, tokens};

/// A gateway with two replicas of the order service.
struct Shop {
    gateway: Gateway,
    replicas: [Arc<Fake>; 2],
}

impl Shop {
    async fn start() -> Self {
        Self::start_with(json!({})).await
    }

    async fn start_with(placement: Value) -> Self {
        let replicas = [Fake::with_jwks(None), Fake::with_jwks(None)];
        let mut addresses = Vec::new();
        for replica in &replicas {
            addresses.push(fake::serve(&Shell::without_admin(), Arc::clone(replica)).await);
        }
        Self { gateway: gateway(&addresses, placement).await, replicas }
    }

    /// The replica that places orders of this SKU, and the other one.
    async fn homes(&self, sku: &str) -> [&Fake; 2] {
        let before = self.asked();
        assert_eq!(order(&self.gateway, &[sku]).await.status(), 201);
        let [first, second] = &self.replicas;
        if self.asked()[0] > before[0] { [first, second] } else { [second, first] }
    }

    fn asked(&self) -> [usize; 2] {
        [self.replicas[0].asked().len(), self.replicas[1].asked().len()]
    }
}

async fn gateway(order: &[SocketAddr], placement: Value) -> Gateway {
    let order: Vec<_> = order.iter().map(|address| format!("http://{address}")).collect();
    let order = json!({ "endpoints": order, "strategy": "round_robin" });
    Gateway::start_with(json!({ "upstreams": { "order": order }, "placement": placement })).await
}

async fn order(gateway: &Gateway, skus: &[&str]) -> reqwest::Response {
    let lines: Vec<_> = skus.iter().map(|sku| json!({ "sku": sku, "quantity": 1 })).collect();
    let request = gateway.post("/api/v1/orders", &json!({ "lines": lines })).bearer_auth(tokens::customer());
    request.header("Idempotency-Key", "k-1").send().await.unwrap()
}

fn fail(replica: &Fake, error: Error) {
    *replica.answer.lock().unwrap() = Answer::Fail(error.into_status());
}

fn overloaded() -> Error {
    Error::new(Reason::Overloaded, "the queue is full").with_retry_after(Duration::from_secs(3))
}

async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn orders_of_one_sku_share_a_replica_and_skus_are_distributed() {
    let shop = Shop::start().await;
    let mut used = HashSet::new();
    for sku in (0..32).map(|number| format!("tea-{number}")) {
        let before = shop.asked();
        for _ in 0..3 {
            assert_eq!(order(&shop.gateway, &[&sku]).await.status(), 201);
        }
        let added = [shop.asked()[0] - before[0], shop.asked()[1] - before[1]];
        assert!(added == [3, 0] || added == [0, 3], "{sku}: {added:?}");
        used.insert(added);
    }
    assert_eq!(used.len(), 2);
}

#[tokio::test]
async fn an_order_of_several_skus_follows_the_hottest() {
    let shop = Shop::start().await;
    let [hot_home, _] = shop.homes("sale").await;
    let mut elsewhere = None;
    for sku in (0..64).map(|number| format!("a-{number}")) {
        if !std::ptr::eq(shop.homes(&sku).await[0], hot_home) {
            elsewhere = Some(sku);
            break;
        }
    }
    let cold = elsewhere.expect("all SKUs live on one replica");
    for _ in 0..40 {
        order(&shop.gateway, &["sale"]).await;
    }
    let before = hot_home.asked().len();
    order(&shop.gateway, &[&cold, "sale"]).await;
    order(&shop.gateway, &["sale", &cold]).await;
    assert_eq!(hot_home.asked().len(), before + 2);
}

#[tokio::test]
async fn without_affinity_the_strategy_of_the_upstream_decides() {
    let shop = Shop::start_with(json!({ "affinity": false })).await;
    for _ in 0..10 {
        assert_eq!(order(&shop.gateway, &["tea"]).await.status(), 201);
    }
    assert_eq!(shop.asked(), [5, 5]);
}

#[tokio::test]
async fn no_order_fails_when_a_replica_is_gone() {
    let live = Fake::with_jwks(None);
    let address = fake::serve(&Shell::without_admin(), Arc::clone(&live)).await;
    for affinity in [true, false] {
        let gateway = gateway(&[closed_port().await, address], json!({ "affinity": affinity })).await;
        let before = live.asked().len();
        for number in 0..32 {
            assert_eq!(order(&gateway, &[&format!("tea-{number}")]).await.status(), 201);
        }
        assert_eq!(live.asked().len(), before + 32);
    }
}

#[tokio::test]
async fn an_order_is_retried_with_the_same_key_when_its_replica_dies() {
    let (dying, live) = (Fake::with_jwks(None), Fake::with_jwks(None));
    *dying.answer.lock().unwrap() = Answer::Hang;
    let behind = fake::serve(&Shell::without_admin(), Arc::clone(&dying)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = listener.local_addr().unwrap();
    let address = fake::serve(&Shell::without_admin(), Arc::clone(&live)).await;
    let gateway = gateway(&[front, address], json!({ "affinity": false })).await;
    // Closes the connection as soon as the order has arrived.
    let cut = async {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(behind).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            () = gateway.wait_until(|_| !dying.asked().is_empty()) => {}
        }
        drop(listener);
    };
    let placing = async {
        while dying.asked().is_empty() {
            assert_eq!(order(&gateway, &["tea"]).await.status(), 201);
        }
    };
    futures::join!(placing, cut);
    let placed = live.asked().pop().unwrap();
    assert_eq!(placed.message, dying.asked()[0].message);
    assert!(placed.message.contains("k-1"));
}

#[tokio::test]
async fn orders_of_an_overloaded_replica_go_to_another() {
    let shop = Shop::start().await;
    let [home, other] = shop.homes("tea").await;
    fail(home, overloaded());
    for _ in 0..8 {
        assert_eq!(order(&shop.gateway, &["tea"]).await.status(), 201);
    }
    assert_eq!(other.asked().len(), 8);
    assert!(home.asked().len() >= 2);
}

#[tokio::test]
async fn when_all_replicas_are_overloaded_the_response_has_retry_after() {
    let shop = Shop::start().await;
    let [home, other] = shop.homes("tea").await;
    fail(home, overloaded());
    fail(other, overloaded());
    let before = shop.asked();
    let response = order(&shop.gateway, &["tea"]).await;
    assert_eq!(response.headers()["retry-after"], "3");
    failure(response, Reason::Overloaded).await;
    let asked = shop.asked();
    assert!(asked[0] > before[0] && asked[1] > before[1], "{asked:?}");
}

#[tokio::test]
async fn a_refusal_of_the_request_is_not_retried() {
    let shop = Shop::start().await;
    let [home, other] = shop.homes("tea").await;
    // A refusal for the state of a replica is retried at another.
    let is_of_the_replica = |reason: &Reason| {
        reason.http_status().is_server_error() || reason.grpc_code() == tonic::Code::ResourceExhausted
    };
    for &reason in Reason::ALL.iter().filter(|reason| !is_of_the_replica(reason)) {
        fail(home, Error::new(reason, "said so"));
        failure(order(&shop.gateway, &["tea"]).await, reason).await;
    }
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn with_one_replica_there_is_no_retry() {
    let replica = Fake::with_jwks(None);
    let address = fake::serve(&Shell::without_admin(), Arc::clone(&replica)).await;
    let gateway = gateway(&[address], json!({})).await;
    fail(&replica, overloaded());
    failure(order(&gateway, &["tea"]).await, Reason::Overloaded).await;
    assert_eq!(replica.asked().len(), 1);
}
