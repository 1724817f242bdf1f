//! Settles card payments with an unknown outcome, in the background.
//!
//! This covers a process that died after the provider captured and before the database knew, a provider that never
//! answered, and refunds that were decided and not carried out. Any number of replicas may run it side by side: each
//! change is conditional on the payment's status, and each call to the provider can be repeated.

use std::convert::Infallible;
use std::time::Duration;

use futures::StreamExt as _;
use service::{Deadline, Tasks};

use super::Payments;
use crate::domain::settlement::{self, DueWork};
use crate::domain::{Payment, Refusal, Step};
use crate::error::Error;

/// The most payments of one round; the rest waits for the next.
const BATCH: u32 = 100;
/// How many payments are worked on at once.
const CONCURRENCY: usize = 8;
/// How long a round's query, and then each payment, may take.
const BUDGET: Duration = Duration::from_secs(10);

/// The background work on unsettled payments.
#[derive(Clone)]
pub(crate) struct Resolver {
    payments: Payments,
    period: Duration,
    grace: Duration,
}

impl Resolver {
    /// Works every `period`; gives up a payment that the provider does not know once it is `grace` old.
    pub(crate) fn new(payments: Payments, period: Duration, grace: Duration) -> Self {
        Self { payments, period, grace }
    }

    /// Works until the process stops.
    pub(crate) async fn run(self, tasks: Tasks) -> Result<(), Infallible> {
        let stop = tasks.stop_signal();
        let mut ticks = tokio::time::interval(self.period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            // A round can be dropped half-way, so stopping need not wait for the provider.
            if stop.run_until_cancelled(self.round()).await.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn round(&self) {
        let due = match self.payments.store.due(primitives::now(), BATCH, Deadline::after(BUDGET)).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(?error, "can't read the payments that are due");
                return;
            }
        };
        metrics::gauge!("payments_due").set(u32::try_from(due.len()).unwrap_or(u32::MAX));
        futures::stream::iter(due).for_each_concurrent(CONCURRENCY, |payment| self.work_on(payment)).await;
    }

    async fn work_on(&self, payment: Payment) {
        let deadline = Deadline::after(BUDGET);
        let worked_on = match settlement::due_work(payment.status) {
            Some(DueWork::LookUp) => self.look_up_or_void(&payment, deadline).await,
            Some(DueWork::CarryOutRefund) => self.payments.carry_out(payment.clone(), deadline).await,
            None => return,
        };
        match worked_on {
            Ok(present) if present.status.is_settled() => {
                tracing::info!(payment_id = %present.id, status = present.status.name(), "settled a payment");
                return;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(payment_id = %payment.id, ?error, "a payment can't be settled yet"),
        }
        if let Err(error) = self.postpone(&payment).await {
            tracing::warn!(payment_id = %payment.id, ?error, "can't postpone the next look at a payment");
        }
    }

    /// Settles a pending payment by its charge. A payment that the provider does not know for too long is given up: its
    /// charge is voided first.
    async fn look_up_or_void(&self, payment: &Payment, deadline: Deadline) -> Result<Payment, Error> {
        let looked_up = self.payments.look_up(payment, deadline).await?;
        if !settlement::is_given_up(&looked_up, primitives::now(), self.grace) {
            return Ok(looked_up);
        }
        let charge = self.payments.provider.void(payment.id, deadline).await?;
        self.payments.settle(payment, &charge).await
    }

    async fn postpone(&self, payment: &Payment) -> Result<(), Error> {
        let step = Step::postpone(payment, primitives::now());
        let deadline = Deadline::after(super::settle::WRITE_WITHIN);
        match self.payments.store.step(payment.id, step, deadline).await {
            // After `Changed`, another request has worked on it.
            Ok(()) | Err(Error::Refused(Refusal::Changed)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
