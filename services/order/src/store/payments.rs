//! The order's side of a payment: the claim of an attempt, and what the attempt comes to.

use std::time::Duration;

use futures::FutureExt as _;
use idempotency::{Answer, Conflict, ScopedKey};
use jiff::Timestamp;
use mongo::idempotency::{KeyedAnswer, to_binary};
use mongo::{bounded, duplicate_key_index, to_bson_time, to_bson_uuid};
use mongodb::bson::{DateTime, Document, doc};
use mongodb::options::ReturnDocument;
use primitives::OrderId;
use service::Deadline;

use super::Store;
use super::document::{AttemptDocument, OrderDocument, PaymentDocument};
use super::transitions::refused;
use crate::domain::{
    Claimed, FollowUp, KeyedRequest, Order, Payment, PaymentClaim, Refusal, Status, Transition, Unclaimed,
};
use crate::error::OrderError;
use crate::events;

/// How often a claim is tried that others are in the way of without holding the order.
const MAX_CLAIMS: usize = 3;

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

    /// Claims an unpaid order for one attempt to pay it, for as long as `lease`. A request whose first attempt was cut
    /// off takes the claim over.
    pub(crate) async fn claim(
        &self,
        id: OrderId,
        claim: &PaymentClaim,
        lease: Duration,
        deadline: Deadline,
    ) -> Result<Claimed, OrderError> {
        for _ in 0..MAX_CLAIMS {
            if let Some(document) = self.try_claim(id, claim, lease, deadline).await? {
                let before = document.payment.as_ref();
                let overtakes = before.is_some_and(|before| before.request_id == claim.request.request_id);
                return Ok(Claimed { order: Order::try_from(document).map_err(mongo::Error::from)?, overtakes });
            }
            let filter = doc! { "_id": to_bson_uuid(id.as_uuid()) };
            let found = bounded(deadline, |left| self.orders.find_one(filter).max_time(left)).await?;
            let (order, holder) = parts(found.ok_or(Refusal::NotFound)?)?;
            if let Some(refusal) = claim.refusal(&Unclaimed { order, claim: holder }, primitives::now()) {
                return Err(refusal.into());
            }
        }
        // Others have claimed it and ended their claims each time in between.
        Err(Refusal::BeingPaid.into())
    }

    /// The order as it was before the claim; `None` when it can't be claimed at this moment.
    async fn try_claim(
        &self,
        id: OrderId,
        claim: &PaymentClaim,
        lease: Duration,
        deadline: Deadline,
    ) -> Result<Option<OrderDocument>, OrderError> {
        let now = primitives::now();
        let attempt = mongodb::bson::serialize_to_bson(&AttemptDocument::from(claim))
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
        Ok(claimed.await?)
    }

    /// Ends an attempt that did not pay.
    pub(crate) async fn release(
        &self,
        id: OrderId,
        claim: &PaymentClaim,
        deadline: Deadline,
    ) -> Result<(), OrderError> {
        let filter = doc! { "_id": to_bson_uuid(id.as_uuid()), "payment.id": to_bson_uuid(claim.id.as_uuid()) };
        let update = doc! { "$unset": { "payment": "", "followUpAt": "" } };
        bounded(deadline, |_| self.orders.update_one(filter, update)).await?;
        Ok(())
    }

    /// Marks an order as paid, and records the answer for the key that paid it, in one transaction.
    ///
    /// # Errors
    /// `InvalidState` when it can no longer be paid: the payment has to be given back.
    pub(crate) async fn settle(
        &self,
        id: OrderId,
        claim: &PaymentClaim,
        payment: &Payment,
        at: Timestamp,
        deadline: Deadline,
    ) -> Result<(), OrderError> {
        let store = self.clone();
        let (request, answer, paid_by) = (claim.request.clone(), PaymentDocument::from(payment), payment.id);
        let transaction = self.db.transact(deadline, move |session| {
            let (store, request, answer) = (store.clone(), request.clone(), answer.clone());
            async move {
                let KeyedRequest { key, request_id } = request;
                let answer = KeyedAnswer { key, request_id, answer };
                // A concurrent duplicate of the request makes this write wait until its transaction ends.
                match store.payments.record_all(session, &[answer]).await {
                    Err(error) if duplicate_key_index(&error).is_some() => {
                        return Err(mongo::Abort::Refused(Conflict::Finished.into()));
                    }
                    written => written?,
                }
                let before = Order::try_from(store.in_session(session, id).await?).map_err(refused)?;
                let paid = Transition::pay(&before, paid_by, at);
                let paid = paid.map_err(|error| mongo::Abort::Refused(error.into()))?;
                store.step(session, &paid).await?;
                Ok(store.outbox.write(session, [events::of_transition(&paid)]).await?)
            }
            .boxed()
        });
        Ok(transaction.await?)
    }

    /// Records that a refund is due: a payment was captured for an order that can no longer be paid.
    pub(crate) async fn owe_refund(&self, id: OrderId, deadline: Deadline) -> Result<(), OrderError> {
        let set = doc! { "refundDue": true, "followUpAt": to_bson_time(primitives::now()) };
        self.change(id, doc! { "$set": set, "$unset": { "payment": "" } }, deadline).await
    }

    /// Records that the payment was given back.
    pub(crate) async fn refunded(&self, id: OrderId, deadline: Deadline) -> Result<(), OrderError> {
        self.change(id, doc! { "$unset": { "refundDue": "", "followUpAt": "" } }, deadline).await
    }

    async fn change(&self, id: OrderId, update: Document, deadline: Deadline) -> Result<(), OrderError> {
        let filter = doc! { "_id": to_bson_uuid(id.as_uuid()) };
        bounded(deadline, |_| self.orders.update_one(filter, update)).await?;
        Ok(())
    }

    /// Leases the order whose unfinished work has been due for longest; no other replica gets it until the lease ends.
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
        let (order, claim) = parts(document)?;
        Ok(Some(FollowUp { order, claim, refund_due }))
    }
}

/// An order and the claim that it has.
fn parts(mut document: OrderDocument) -> Result<(Order, Option<PaymentClaim>), mongo::Error> {
    let claim = document.payment.take().map(PaymentClaim::try_from).transpose()?;
    Ok((Order::try_from(document)?, claim))
}

/// Matches an attempt of the same request to pay with the same key.
fn same_request(claim: &PaymentClaim) -> Document {
    let KeyedRequest { key, request_id } = &claim.request;
    doc! {
        "payment.key": key.id(),
        "payment.fingerprint": to_binary(key.fingerprint()),
        "payment.requestId": request_id,
    }
}

fn after(now: Timestamp, wait: Duration) -> DateTime {
    let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    DateTime::from_millis(now.as_millisecond().saturating_add(wait_ms))
}
