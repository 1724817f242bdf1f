//! Sends one order until its outcome is known or the tries are used up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{Outcome, Step};
use super::api::{Api, Patience};
use super::customers::{Customer, Customers};
use crate::completejourney::{OrderRequest, sku};

/// How often an order is tried, and how long is waited in between.
const PATIENCE: Patience =
    Patience { tries: 5, first_wait: Duration::from_millis(50), longest_wait: Duration::from_secs(2) };

/// Sends the orders of a run.
#[derive(Debug)]
pub(super) struct Sender<'a> {
    pub(super) api: &'a Api,
    pub(super) customers: &'a Customers,
    pub(super) run_id: &'a str,
    /// How many orders may be under way at once.
    pub(super) concurrency: usize,
    /// How many are.
    pub(super) under_way: AtomicUsize,
}

/// What became of an order.
#[derive(Debug)]
pub(super) struct Sent {
    /// When it was to be sent, when there is a rate.
    pub(super) due: Option<Instant>,
    /// When it was sent first.
    pub(super) sent: Instant,
    /// Whether it took the last place among the orders under way: if it is late, it waited for that.
    pub(super) took_last_place: bool,
    /// When its outcome was known.
    pub(super) done: Instant,
    /// How often it was sent beyond the first time.
    pub(super) retries: u64,
    pub(super) outcome: Outcome,
}

impl Sender<'_> {
    /// Sends an order.
    pub(super) async fn send(&self, due: Option<Instant>, order: &OrderRequest<'_>) -> Sent {
        let sent = Instant::now();
        let took_last_place = self.under_way.fetch_add(1, Ordering::Relaxed) + 1 >= self.concurrency;
        let mut retries = 0;
        let outcome = match self.customers.of(order.household) {
            Some(customer) => self.try_for(customer, order, &mut retries).await,
            None => Outcome::Failed("no customer".to_owned()),
        };
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        Sent { due, sent, took_last_place, done: Instant::now(), retries, outcome }
    }

    async fn try_for(&self, customer: &Customer, order: &OrderRequest<'_>, retries: &mut u64) -> Outcome {
        let key = idempotency_key(self.run_id, order);
        let body = body(order);
        let mut waits = PATIENCE.waits();
        let Ok(mut token) = customer.token(self.api).await else { return no_token() };
        loop {
            let answered = self.api.post("/orders", Some(&token), Some(&key), &body).await;
            match (Step::after(&answered), waits.next()) {
                (Step::Done, _) | (_, None) => return Outcome::of(&answered),
                (Step::Again(asked_for), Some(backoff)) => {
                    tokio::time::sleep(PATIENCE.wait(backoff, asked_for)).await;
                }
                (Step::NewToken, Some(_)) => match customer.token_other_than(&token, self.api).await {
                    Ok(other) => token = other,
                    Err(_) => return no_token(),
                },
            }
            *retries += 1;
        }
    }
}

fn no_token() -> Outcome {
    Outcome::Failed("no access token".to_owned())
}

/// The same for every try and every run with the same id, and for no other order.
fn idempotency_key(run_id: &str, order: &OrderRequest<'_>) -> String {
    format!("replay-{run_id}-{}-{}", order.basket, order.part)
}

fn body(order: &OrderRequest<'_>) -> Value {
    let lines = order.lines.iter().map(|(product, quantity)| json!({ "sku": sku(*product), "quantity": quantity }));
    json!({ "lines": lines.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use primitives::{IdempotencyKey, Quantity};

    use super::*;

    #[test]
    fn an_order_is_named_by_its_basket_its_part_and_the_run() {
        let lines = [(7, Quantity::try_from(2).unwrap())];
        let order = OrderRequest { basket: 41_481_282_915, part: 1, household: 1, lines: &lines };
        let key = idempotency_key(&"f".repeat(32), &order);
        assert!(key.parse::<IdempotencyKey>().is_ok());
        assert_ne!(key, idempotency_key(&"f".repeat(32), &OrderRequest { part: 0, ..order }));
        assert_eq!(body(&order), json!({ "lines": [{ "sku": "cj-7", "quantity": 2 }] }));
    }
}
