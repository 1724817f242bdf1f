//! Payments. The unique index over live payments keeps an order from being paid twice.

use futures::{FutureExt as _, TryStreamExt as _};
use jiff::Timestamp;
use mongo::{Abort, Error, bounded, duplicate_key_index, from_bson_time, to_bson_time, to_bson_uuid};
use mongodb::ClientSession;
use mongodb::bson::{Document, Uuid, doc};
use mongodb::options::{Hint, ReturnDocument};
use primitives::{OrderId, PaymentId};
use service::Deadline;

use super::documents::PaymentDocument;
use super::schema::LIVE_BY_ORDER;
use super::{Store, Written, unreadable};
use crate::domain::{Event, Order, Payment, Refusal, Status, Step, charge, refund};

impl Store {
    /// The live payment of an order.
    pub(crate) async fn live(&self, order: OrderId, deadline: Deadline) -> Result<Option<Payment>, Error> {
        let live = Status::LIVE.map(Status::name);
        let filter = doc! { "orderId": order_key(order), "status": { "$in": live.as_slice() } };
        let hint = Hint::Name(LIVE_BY_ORDER.to_owned());
        let found = bounded(deadline, |left| self.payments.find_one(filter).hint(hint).max_time(left)).await?;
        Ok(found.map(Payment::try_from).transpose()?)
    }

    /// Up to `limit` payments of an order, newest first.
    pub(crate) async fn of_order(&self, order: OrderId, limit: u32, deadline: Deadline) -> Result<Vec<Payment>, Error> {
        let filter = doc! { "orderId": order_key(order) };
        let newest_first = doc! { "orderId": 1, "_id": -1 };
        let limit = i64::from(limit);
        let find = |left| self.shown.find(filter).sort(newest_first).limit(limit).max_time(left);
        let cursor = bounded(deadline, find).await?;
        let documents: Vec<_> = bounded(deadline, |_| cursor.try_collect()).await?;
        Ok(documents.into_iter().map(Payment::try_from).collect::<Result<_, _>>()?)
    }

    /// A payment by its id.
    pub(crate) async fn payment(&self, id: PaymentId, deadline: Deadline) -> Result<Option<Payment>, Error> {
        let filter = doc! { "_id": key(id) };
        let found = bounded(deadline, |left| self.payments.find_one(filter).max_time(left)).await?;
        Ok(found.map(Payment::try_from).transpose()?)
    }

    /// Records a card payment before the provider is asked; `false` when the order already has a live payment. The
    /// resolver looks at the payment at `due_at`.
    pub(crate) async fn begin(&self, payment: &Payment, due_at: Timestamp, deadline: Deadline) -> Result<bool, Error> {
        let document = PaymentDocument::new(payment, Some(due_at));
        match bounded(deadline, |_| self.payments.insert_one(document)).await {
            Ok(_) => Ok(true),
            Err(Error::Failed(error)) if duplicate_key_index(&error).as_deref() == Some(LIVE_BY_ORDER) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes a step.
    ///
    /// # Errors
    /// [`Refusal::Changed`] when the payment does not have the status that the step starts from.
    pub(crate) async fn step(&self, id: PaymentId, step: Step, deadline: Deadline) -> Written<()> {
        let store = self.clone();
        let written = self.db.transact(deadline, move |session| {
            let (store, step) = (store.clone(), step.clone());
            async move {
                let event = store.write_step(session, id, step).await?;
                Ok(store.publish(session, event).await?)
            }
            .boxed()
        });
        Ok(written.await?)
    }

    /// Writes a step in the caller's transaction, and returns its event, if it has one, for the caller to publish.
    async fn write_step(
        &self,
        session: &mut ClientSession,
        id: PaymentId,
        step: Step,
    ) -> Result<Option<Event>, Abort<Refusal>> {
        let (filter, update) = conditional(id, step);
        let updated = self.payments.find_one_and_update(filter, update);
        let updated = updated.return_document(ReturnDocument::After).session(&mut *session).await?;
        let document = updated.ok_or(Abort::Refused(Refusal::Changed))?;
        let changed_at = from_bson_time(document.updated_at).map_err(unreadable)?;
        let payment = Payment::try_from(document).map_err(unreadable)?;
        Ok(Event::of_payment(&payment, changed_at))
    }

    /// Up to `limit` payments that are due by now, the longest overdue first.
    pub(crate) async fn due(&self, now: Timestamp, limit: u32, deadline: Deadline) -> Result<Vec<Payment>, Error> {
        let filter = doc! { "dueAt": { "$lte": to_bson_time(now) } };
        let limit = i64::from(limit);
        let find = |left| self.payments.find(filter).sort(doc! { "dueAt": 1 }).limit(limit).max_time(left);
        let cursor = bounded(deadline, find).await?;
        let documents: Vec<_> = bounded(deadline, |_| cursor.try_collect()).await?;
        Ok(documents.into_iter().map(Payment::try_from).collect::<Result<_, _>>()?)
    }

    /// Takes an order's price from its owner's account and records the payment, both or neither.
    ///
    /// # Errors
    /// [`Refusal::AlreadyLive`] when the order already has a live payment, or as `Ledger::post`.
    pub(crate) async fn pay_from_balance(&self, order: Order, deadline: Deadline) -> Written<Payment> {
        let store = self.clone();
        let written = self.db.transact(deadline, move |session| {
            let store = store.clone();
            async move { store.write_balance_payment(session, &order).await }.boxed()
        });
        Ok(written.await?)
    }

    /// Returns a payment's amount to the owner's account and marks the payment as refunded, both or neither.
    ///
    /// # Errors
    /// [`Refusal::Changed`] when the payment is no longer captured, or as `Ledger::post`.
    pub(crate) async fn refund_to_balance(&self, payment: &Payment, deadline: Deadline) -> Written<()> {
        let store = self.clone();
        let payment = payment.clone();
        let written = self.db.transact(deadline, move |session| {
            let (store, payment) = (store.clone(), payment.clone());
            async move { store.write_balance_refund(session, &payment).await }.boxed()
        });
        Ok(written.await?)
    }

    /// The payment is written first, so that an order that is already paid is distinguished from one that the account
    /// does not cover.
    async fn write_balance_payment(
        &self,
        session: &mut ClientSession,
        order: &Order,
    ) -> Result<Payment, Abort<Refusal>> {
        let (payment, posting) = charge::from_balance(order, primitives::now());
        match self.payments.insert_one(PaymentDocument::new(&payment, None)).session(&mut *session).await {
            Ok(_) => {}
            Err(error) if duplicate_key_index(&error).as_deref() == Some(LIVE_BY_ORDER) => {
                return Err(Abort::Refused(Refusal::AlreadyLive));
            }
            Err(error) => return Err(error.into()),
        }
        let posted = self.post(session, payment.user_id, posting).await?;
        let captured = Event::of_payment(&payment, payment.created_at);
        self.publish(session, captured.into_iter().chain([Event::of_posted(&posted)])).await?;
        Ok(payment)
    }

    async fn write_balance_refund(&self, session: &mut ClientSession, payment: &Payment) -> Result<(), Abort<Refusal>> {
        let (transition, posting) = refund::to_balance(payment);
        let refunded = self.write_step(session, payment.id, Step::take(transition, None)).await?;
        let posted = self.post(session, payment.user_id, posting).await?;
        Ok(self.publish(session, refunded.into_iter().chain([Event::of_posted(&posted)])).await?)
    }
}

/// Each step has a later time than the one before it, however the clocks of replicas differ.
fn conditional(id: PaymentId, step: Step) -> (Document, Vec<Document>) {
    let filter = doc! { "_id": key(id), "status": step.from.name() };
    let now = to_bson_time(primitives::now());
    let changed_at = doc! { "$max": [now, { "$add": ["$updatedAt", 1] }] };
    let mut set = doc! { "status": step.to.name(), "updatedAt": changed_at };
    if let Some(reference) = step.provider_reference {
        set.insert("providerReference", doc! { "$literal": reference });
    }
    let due = match step.due_at {
        Some(at) => doc! { "$set": { "dueAt": to_bson_time(at) } },
        None => doc! { "$unset": "dueAt" },
    };
    (filter, vec![doc! { "$set": set }, due])
}

fn key(id: PaymentId) -> Uuid {
    to_bson_uuid(id.as_uuid())
}

fn order_key(id: OrderId) -> Uuid {
    to_bson_uuid(id.as_uuid())
}
