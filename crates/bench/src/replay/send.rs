//! Sends one order until its outcome is known or all attempts are used.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{ReplayOutcome, Step};
use super::api::{Api, Patience};
use super::customers::{Customer, Customers};
use crate::completejourney::{OrderRequest, sku};

/// The attempts of an order and the waits between them.
const PATIENCE: Patience =
    Patience { attempts: 5, first_wait: Duration::from_millis(50), longest_wait: Duration::from_secs(2) };

/// Sends the orders of a run.
#[derive(Debug)]
pub(super) struct Sender<'a> {
    pub(super) api: &'a Api,
    pub(super) customers: &'a Customers,
    pub(super) run_id: &'a str,
    /// The most orders in flight.
    pub(super) concurrency: usize,
    /// The number of orders in flight.
    pub(super) in_flight: AtomicUsize,
}

/// An order that was sent, with its outcome.
#[derive(Debug)]
pub(super) struct Sent {
    /// When it was due, if there is a rate.
    pub(super) due: Option<Instant>,
    /// When it was first sent.
    pub(super) sent: Instant,
    /// Whether it filled the bound on orders in flight: if it is late, it waited for a free slot.
    pub(super) took_last_slot: bool,
    /// When its outcome was known.
    pub(super) done: Instant,
    /// How often it was retried.
    pub(super) retries: u64,
    pub(super) outcome: ReplayOutcome,
}

impl Sender<'_> {
    /// Sends an order.
    pub(super) async fn send(&self, due: Option<Instant>, order: &OrderRequest<'_>) -> Sent {
        let sent = Instant::now();
        let took_last_slot = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1 >= self.concurrency;
        let mut retries = 0;
        let outcome = match self.customers.of(order.household) {
            Some(customer) => self.try_for(customer, order, &mut retries).await,
            None => ReplayOutcome::Failed("no customer".to_owned()),
        };
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        Sent { due, sent, took_last_slot, done: Instant::now(), retries, outcome }
    }

    async fn try_for(&self, customer: &Customer, order: &OrderRequest<'_>, retries: &mut u64) -> ReplayOutcome {
        let key = idempotency_key(self.run_id, order);
        let body = body(order);
        let mut waits = PATIENCE.waits();
        let Ok(mut token) = customer.token(self.api).await else { return no_token() };
        loop {
            let answered = self.api.post("/orders", Some(&token), Some(&key), &body).await;
            match (Step::after(&answered), waits.next()) {
                (Step::Done, _) | (_, None) => return ReplayOutcome::of(&answered),
                (Step::Retry(asked_for), Some(backoff)) => {
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

fn no_token() -> ReplayOutcome {
    ReplayOutcome::Failed("no access token".to_owned())
}

/// The same for every attempt and for every run with the same id, and different for every order.
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
    fn the_idempotency_key_identifies_the_run_the_basket_and_the_part() {
        let lines = [(7, Quantity::try_from(2).unwrap())];
        let order = OrderRequest { basket: 41_481_282_915, part: 1, household: 1, lines: &lines };
        let key = idempotency_key(&"f".repeat(32), &order);
        assert!(key.parse::<IdempotencyKey>().is_ok());
        assert_ne!(key, idempotency_key(&"f".repeat(32), &OrderRequest { part: 0, ..order }));
        assert_eq!(body(&order), json!({ "lines": [{ "sku": "cj-7", "quantity": 2 }] }));
    }
}
