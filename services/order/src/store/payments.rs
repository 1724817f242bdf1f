//! The order's side of a payment: one attempt has the order to itself, and whoever finds it unfinished finishes it.

use std::time::Duration;

use futures::FutureExt as _;
use idempotency::{Answer, Conflict, ScopedKey};
use jiff::Timestamp;
use mongo::idempotency::{KeyedAnswer, to_binary};
use mongo::{bounded, duplicate_key_index, to_bson_time, to_bson_uuid};
use mongodb::bson::{DateTime, Document, Uuid, doc};
use mongodb::options::ReturnDocument;
use primitives::OrderId;
use service::Deadline;

use super::Store;
use super::document::{AttemptDocument, PaymentDocument};
use super::transitions::refused;
use crate::domain::{InvalidState, Order, Payment, Status};
use crate::error::OrderError;
use crate::events;

/// Who pays: the attempt that has the order to itself.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) id: Uuid,
    pub(crate) key: ScopedKey,
    pub(crate) request_id: String,
}

/// An order that was claimed.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) order: Order,
    /// It was taken from an attempt of the same request, which may still be at work: nobody knows.
    pub(crate) overtakes: bool,
}

impl Claim {
    pub(crate) fn new(key: ScopedKey, request_id: String) -> Self {
        Self { id: Uuid::new(), key, request_id }
    }
}

/// Something about an order that has been left unfinished.
#[derive(Debug)]
pub(crate) struct FollowUp {
    pub(crate) order: Order,
    /// The attempt to pay whose outcome is not known.
    pub(crate) attempt: Option<Claim>,
    /// A captured payment has to be given back.
    pub(crate) refund_due: bool,
}

impl Store {
    /// The answer that an earlier payment with this key was given.
    pub(crate) async fn paid_earlier(
        &self,
        key: &ScopedKey,
        deadline: Deadline,
    ) -> Result<Option<Answer<Payment>>, OrderError> {
        let Some(Answer { value, replay_of }) = self.payments.find(key, deadline).await? else {
            return Ok(None);
        };
        let value = Payment::try_from(value).map_err(mongo::Error::from)?;
        Ok(Some(Answer { value, replay_of }))
    }

    /// Takes an unpaid order for one attempt to pay it, for as long as `lease`. A request whose first attempt was cut
    /// off takes the order from that one.
    pub(crate) async fn claim(
        &self,
        id: OrderId,
        claim: &Claim,
        lease: Duration,
        deadline: Deadline,
    ) -> Result<Claimed, OrderError> {
        let now = primitives::now();
        let attempt = AttemptDocument::new(claim);
        let attempt = mongodb::bson::serialize_to_bson(&attempt)
            .map_err(|error| mongo::Error::from(mongodb::error::Error::from(error)))?;
        let filter = doc! {
            "_id": to_bson_uuid(id.as_uuid()),
            "status": Status::PendingPayment.name(),
            "expiresAt": { "$gt": to_bson_time(now) },
            "$or": [
                { "payment": { "$exists": false } },
                { "followUpAt": { "$lte": to_bson_time(now) } },
                same_request(claim),
            ],
        };
        let update = doc! { "$set": { "payment": attempt, "followUpAt": after(now, lease) } };
        let claimed = bounded(deadline, |left| {
            self.orders.find_one_and_update(filter, update).return_document(ReturnDocument::Before).max_time(left)
        });
        match claimed.await? {
            Some(document) => {
                let before = document.payment.as_ref();
                let overtakes = before.is_some_and(|before| before.request_id == claim.request_id);
                Ok(Claimed { order: Order::try_from(document).map_err(mongo::Error::from)?, overtakes })
            }
            None => Err(self.why_not_claimed(id, claim, deadline).await?),
        }
    }

    async fn why_not_claimed(&self, id: OrderId, claim: &Claim, deadline: Deadline) -> Result<OrderError, OrderError> {
        let filter = doc! { "_id": to_bson_uuid(id.as_uuid()) };
        let found = bounded(deadline, |left| self.orders.find_one(filter).max_time(left)).await?;
        let Some(document) = found else { return Ok(OrderError::NotFound) };
        let attempt = document.payment.as_ref().map(AttemptDocument::key).transpose().map_err(mongo::Error::from)?;
        let order = Order::try_from(document).map_err(mongo::Error::from)?;
        Ok(match attempt {
            Some(key) if key == claim.key => Conflict::InFlight.into(),
            Some(key) if key.id() == claim.key.id() => OrderError::Envelope(idempotency::key_reused()),
            Some(_) => OrderError::BeingPaid,
            None if order.status == Status::PendingPayment => InvalidState(Status::Expired).into(),
            None => InvalidState(order.status).into(),
        })
    }

    /// Ends an attempt that did not pay.
    pub(crate) async fn release(&self, id: OrderId, claim: &Claim, deadline: Deadline) -> Result<(), OrderError> {
        let filter = doc! { "_id": to_bson_uuid(id.as_uuid()), "payment.id": claim.id };
        let update = doc! { "$unset": { "payment": "", "followUpAt": "" } };
        bounded(deadline, |_| self.orders.update_one(filter, update)).await?;
        Ok(())
    }

    /// Marks an order as paid, together with the answer for the key that paid it.
    ///
    /// # Errors
    /// `InvalidState` when it can no longer be paid: the payment has to be given back.
    pub(crate) async fn settle(
        &self,
        id: OrderId,
        claim: &Claim,
        payment: &Payment,
        at: Timestamp,
        deadline: Deadline,
    ) -> Result<(), OrderError> {
        let store = self.clone();
        let (claim, answer, paid_by) = (claim.clone(), PaymentDocument::from(payment), payment.id);
        let transaction = self.db.transact(deadline, move |session| {
            let (store, claim, answer) = (store.clone(), claim.clone(), answer.clone());
            async move {
                let answer = KeyedAnswer { key: claim.key, request_id: claim.request_id, answer };
                // A twin that writes the same at this moment is waited for.
                match store.payments.record_all(session, &[answer]).await {
                    Err(error) if duplicate_key_index(&error).is_some() => {
                        return Err(mongo::Abort::Refused(Conflict::Finished.into()));
                    }
                    written => written?,
                }
                let before = Order::try_from(store.in_session(session, id).await?).map_err(refused)?;
                let paid = before.clone().pay(at).map_err(|error| mongo::Abort::Refused(error.into()))?;
                let set = doc! { "paidAt": paid.paid_at.map(to_bson_time) };
                store.step(session, &before, &paid, set, doc! { "payment": "", "followUpAt": "" }).await?;
                let event = events::paid(&paid, paid.paid_at.unwrap_or(at), paid_by);
                Ok(store.outbox.write(session, [event]).await?)
            }
            .boxed()
        });
        Ok(transaction.await?)
    }

    /// Notes that a captured payment of an order that is no longer to be paid has to be given back.
    pub(crate) async fn owe_refund(&self, id: OrderId, deadline: Deadline) -> Result<(), OrderError> {
        let set = doc! { "refundDue": true, "followUpAt": to_bson_time(primitives::now()) };
        self.change(id, doc! { "$set": set, "$unset": { "payment": "" } }, deadline).await
    }

    /// Notes that a payment has been given back.
    pub(crate) async fn refunded(&self, id: OrderId, deadline: Deadline) -> Result<(), OrderError> {
        self.change(id, doc! { "$unset": { "refundDue": "", "followUpAt": "" } }, deadline).await
    }

    async fn change(&self, id: OrderId, update: Document, deadline: Deadline) -> Result<(), OrderError> {
        let filter = doc! { "_id": to_bson_uuid(id.as_uuid()) };
        bounded(deadline, |_| self.orders.update_one(filter, update)).await?;
        Ok(())
    }

    /// The longest-waiting unfinished order, which nobody else gets for as long as `lease`.
    pub(crate) async fn next_follow_up(
        &self,
        lease: Duration,
        deadline: Deadline,
    ) -> Result<Option<FollowUp>, OrderError> {
        let now = primitives::now();
        let filter = doc! { "followUpAt": { "$lte": to_bson_time(now) } };
        let update = doc! { "$set": { "followUpAt": after(now, lease) } };
        let found = bounded(deadline, |left| {
            self.orders.find_one_and_update(filter, update).sort(doc! { "followUpAt": 1 }).max_time(left)
        });
        let Some(document) = found.await? else { return Ok(None) };
        let refund_due = document.refund_due == Some(true);
        let attempt = document.payment.as_ref().map(|attempt| {
            Ok::<_, mongo::Error>(Claim { id: attempt.id, key: attempt.key()?, request_id: attempt.request_id.clone() })
        });
        let attempt = attempt.transpose()?;
        let order = Order::try_from(document).map_err(mongo::Error::from)?;
        Ok(Some(FollowUp { order, attempt, refund_due }))
    }
}

/// Matches an attempt of the same request to pay with the same key.
fn same_request(claim: &Claim) -> Document {
    doc! {
        "payment.key": claim.key.id(),
        "payment.fingerprint": to_binary(claim.key.fingerprint()),
        "payment.requestId": &claim.request_id,
    }
}

fn after(now: Timestamp, wait: Duration) -> DateTime {
    let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    DateTime::from_millis(now.as_millisecond().saturating_add(wait_ms))
}
