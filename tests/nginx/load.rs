//! Reads and orders without a pause, and what became of them.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use end_to_end::{eventually, fresh_key, order_of};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::front::Front;

/// How many of the failures are told.
const TOLD: usize = 20;

/// Customers of one product, all with one session.
pub(crate) struct Load<'a> {
    front: &'a Front,
    sku: &'static str,
    token: String,
    is_over: AtomicBool,
    done: AtomicUsize,
    failures: Mutex<Vec<String>>,
    orders: Mutex<BTreeSet<String>>,
}

impl<'a> Load<'a> {
    pub(crate) fn new(front: &'a Front, sku: &'static str, token: String) -> Self {
        Self {
            front,
            sku,
            token,
            is_over: AtomicBool::default(),
            done: AtomicUsize::default(),
            failures: Mutex::default(),
            orders: Mutex::default(),
        }
    }

    /// So many readers and buyers, each with one request at a time, until the end.
    pub(crate) async fn run(&self, readers: usize, buyers: usize) {
        let reading = futures::future::join_all((0..readers).map(|number| self.read(number)));
        let buying = futures::future::join_all((0..buyers).map(|_| self.buy()));
        futures::join!(reading, buying);
    }

    /// Waits until so many more requests were answered.
    pub(crate) async fn more(&self, requests: usize) {
        let enough = self.done() + requests;
        eventually("more requests", async || self.done() >= enough).await;
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// The orders that were placed. Fails the test when a request has failed.
    #[track_caller]
    pub(crate) fn orders(&self) -> usize {
        let failures = self.failures.lock().unwrap();
        let told: Vec<_> = failures.iter().take(TOLD).collect();
        assert!(failures.is_empty(), "{} of {} requests failed: {told:#?}", failures.len(), self.done());
        self.orders.lock().unwrap().len()
    }

    async fn read(&self, number: usize) {
        let paths = [format!("/api/v1/products/{}", self.sku), "/api/v1/orders?pageSize=3".to_owned()];
        let path = &paths[number % paths.len()];
        while !self.is_over.load(Ordering::Relaxed) {
            self.count(self.front.request(Method::GET, path), 200).await;
        }
    }

    async fn buy(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let key = fresh_key();
            let order = self.front.request(Method::POST, "/api/v1/orders");
            let order = order.header("Idempotency-Key", &key).json(&order_of(&[(self.sku, 1)]));
            if let Some(answer) = self.count(order, 201).await {
                let id = answer["data"]["id"].as_str().unwrap().to_owned();
                assert!(self.orders.lock().unwrap().insert(id), "two keys gave one order");
            }
        }
    }

    /// Sends it; the answer, when it is the right one.
    async fn count(&self, request: RequestBuilder, status: u16) -> Option<Value> {
        let reply = answer(request.bearer_auth(&self.token)).await;
        self.done.fetch_add(1, Ordering::Relaxed);
        match reply {
            Ok((found, body)) if found == status => Some(body),
            other => {
                self.failures.lock().unwrap().push(format!("{other:?}"));
                None
            }
        }
    }
}

async fn answer(request: RequestBuilder) -> reqwest::Result<(u16, Value)> {
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}
