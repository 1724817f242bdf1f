//! Which calls are retried when a replica fails.

use std::net::SocketAddr;
use std::sync::Arc;

use envelope::{Error, Reason};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use service::Shell;
use tokio::net::TcpListener;

use crate::support::fake::{self, Answer};
use crate::support::{Fake, Gateway, failure, tokens};

/// Two failing replicas of a service.
struct Pair([Arc<Fake>; 2]);

impl Pair {
    async fn behind(service: &str) -> (Self, Gateway) {
        let replicas = [(); 2].map(|()| Fake::new(tokens::jwks()));
        let mut addresses = Vec::new();
        for replica in &replicas {
            addresses.push(fake::serve(&Shell::without_admin(), Arc::clone(replica)).await);
        }
        let gateway = gateway(service, &addresses).await;
        let pair = Self(replicas);
        pair.fail();
        (pair, gateway)
    }

    fn fail(&self) {
        for replica in &self.0 {
            let broken = Error::new(Reason::Unavailable, "said so").into_status();
            *replica.answer.lock().unwrap() = Answer::Fail(broken);
        }
    }

    fn asked(&self) -> usize {
        self.0.iter().map(|replica| replica.asked().len()).sum()
    }
}

async fn gateway(service: &str, replicas: &[SocketAddr]) -> Gateway {
    let replicas: Vec<_> = replicas.iter().map(|address| format!("http://{address}")).collect();
    let replicas = json!({ "endpoints": replicas, "strategy": "round_robin", "retry": { "max_attempts": 2 } });
    Gateway::start_with(json!({ "upstreams": { service: replicas } })).await
}

fn refresh(gateway: &Gateway) -> RequestBuilder {
    gateway.post("/api/v1/sessions/refresh", &json!({ "refreshToken": "refresh" }))
}

fn log_in(gateway: &Gateway) -> RequestBuilder {
    gateway.post("/api/v1/sessions", &json!({ "email": "ada@example.com", "password": "correct horse" }))
}

fn order(gateway: &Gateway) -> RequestBuilder {
    let body: Value = json!({ "lines": [{ "sku": "tea", "quantity": 1 }] });
    gateway.post("/api/v1/orders", &body).header("Idempotency-Key", "k").bearer_auth(tokens::customer())
}

#[tokio::test]
async fn an_idempotent_call_is_retried_at_another_replica() {
    let (users, gateway) = Pair::behind("user").await;
    failure(log_in(&gateway).send().await.unwrap(), Reason::Unavailable).await;
    assert_eq!(users.0.each_ref().map(|replica| replica.asked().len()), [1, 1]);
    let (orders, gateway) = Pair::behind("order").await;
    *orders.0[1].answer.lock().unwrap() = Answer::Order { replay_of: None };
    for _ in 0..4 {
        assert_eq!(order(&gateway).send().await.unwrap().status(), 201);
    }
}

#[tokio::test]
async fn a_session_refresh_is_not_retried() {
    let (users, gateway) = Pair::behind("user").await;
    failure(refresh(&gateway).send().await.unwrap(), Reason::Unavailable).await;
    assert_eq!(users.asked(), 1);
}

#[tokio::test]
async fn every_call_is_retried_if_it_never_started() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let live = Fake::new(tokens::jwks());
    let address = fake::serve(&Shell::without_admin(), Arc::clone(&live)).await;
    let gateway = gateway("user", &[closed, address]).await;
    for _ in 0..4 {
        assert_eq!(refresh(&gateway).send().await.unwrap().status(), 200);
    }
    assert_eq!(live.asked().len(), 4);
}

#[tokio::test]
async fn a_change_by_version_is_not_retried() {
    let (products, gateway) = Pair::behind("inventory").await;
    let read = gateway.get("/api/v1/products/tea");
    failure(read.send().await.unwrap(), Reason::Unavailable).await;
    assert_eq!(products.asked(), 2);
    let change = gateway.request("PATCH", "/api/v1/products/tea").header("If-Match", "\"v2\"");
    let change = change.bearer_auth(tokens::admin()).json(&json!({ "name": "Tea" }));
    failure(change.send().await.unwrap(), Reason::Unavailable).await;
    assert_eq!(products.asked(), 3);
}
