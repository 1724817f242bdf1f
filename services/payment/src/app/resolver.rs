//! Bring card payments whose outcome is unknown to an end, in the background.
//!
//! This covers the process that dies after the provider captured and before the database knew, the provider that
//! never answered, and refunds that were decided and not carried out. Any number of replicas may run it side by side:
//! each change is conditional on the payment's status, and each call to the provider can be made twice.

use std::convert::Infallible;
use std::time::Duration;

use futures::StreamExt as _;
use mongo::TransactError;
use service::{Deadline, Tasks};

use super::{Error, Payments};
use crate::domain::{Payment, Status};
use crate::store::{Refusal, Step};

/// The most payments that one round looks at; the rest is due in the next.
const BATCH: u32 = 100;
/// How many of them are worked on at once.
const CONCURRENCY: usize = 8;
/// How long a round's query, and then each payment, may take.
const BUDGET: Duration = Duration::from_secs(10);
/// The next look at a payment comes after a quarter of its age, within these bounds: often while it is young, seldom
/// when the provider has been away for hours.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The background work on unsettled payments.
#[derive(Clone)]
pub(crate) struct Resolver {
    payments: Payments,
    period: Duration,
    grace: Duration,
}

impl Resolver {
    /// Looks every `period`; gives a payment that the provider has never heard of up once it is `grace` old.
    pub(crate) fn new(payments: Payments, period: Duration, grace: Duration) -> Self {
        Self { payments, period, grace }
    }

    /// Works until the tasks are told to stop.
    pub(crate) async fn run(self, tasks: Tasks) -> Result<(), Infallible> {
        let stop = tasks.stop_signal();
        let mut ticks = tokio::time::interval(self.period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            // Dropping a round half-way is safe, so a stop need not wait for the provider.
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
                tracing::warn!(?error, "payments that are due can't be read");
                return;
            }
        };
        metrics::gauge!("payments_due").set(u32::try_from(due.len()).unwrap_or(u32::MAX));
        futures::stream::iter(due).for_each_concurrent(CONCURRENCY, |payment| self.bring_on(payment)).await;
    }

    async fn bring_on(&self, payment: Payment) {
        let deadline = Deadline::after(BUDGET);
        let worked_on = match payment.status {
            Status::Pending => self.resolve(&payment, deadline).await,
            Status::Refunding => self.payments.carry_out(payment.clone(), deadline).await,
            Status::Captured | Status::Declined | Status::Refunded => return,
        };
        match worked_on {
            Ok(present) if !Status::UNSETTLED.contains(&present.status) => {
                tracing::info!(payment_id = %present.id, status = present.status.name(), "settled a payment");
                return;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(payment_id = %payment.id, ?error, "a payment could not be settled"),
        }
        if let Err(error) = self.postpone(&payment).await {
            tracing::warn!(payment_id = %payment.id, ?error, "a payment could not be put off");
        }
    }

    /// A payment that the provider has never heard of is given up only after it has been told to refuse it: then a
    /// request that is still on its way can take no money.
    async fn resolve(&self, payment: &Payment, deadline: Deadline) -> Result<Payment, Error> {
        let looked_up = self.payments.look_up(payment, deadline).await?;
        if looked_up.status != Status::Pending || age(payment) < self.grace {
            return Ok(looked_up);
        }
        let voided = self.payments.provider.void(payment.id, deadline).await;
        let charge = voided.map_err(|error| Error::OutcomeUnknown(Some(error)))?;
        self.payments.settle(payment, &charge).await
    }

    async fn postpone(&self, payment: &Payment) -> Result<(), Error> {
        let wait = (age(payment) / 4).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        let step = Step {
            from: payment.status,
            to: payment.status,
            provider_reference: None,
            due_at: Some(primitives::now() + wait),
        };
        let deadline = Deadline::after(super::settle::WRITE_WITHIN);
        match self.payments.store.step(payment.id, step, deadline).await {
            // Somebody else has brought it on.
            Ok(()) | Err(TransactError::Refused(Refusal::Changed)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// 0 when the clock that made the payment is ahead.
fn age(payment: &Payment) -> Duration {
    Duration::try_from(primitives::now().duration_since(payment.created_at)).unwrap_or_default()
}
