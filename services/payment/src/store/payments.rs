//! Payments. The unique index over live payments is what keeps an order from being paid twice.

use futures::{FutureExt as _, TryStreamExt as _};
use jiff::Timestamp;
use messaging::Event;
use mongo::{Abort, Error, bounded, duplicate_key_index, from_bson_time, to_bson_time, to_bson_uuid};
use mongodb::ClientSession;
use mongodb::bson::{Document, Uuid, doc};
use mongodb::options::{Hint, ReturnDocument};
use primitives::{OrderId, PaymentId};
use service::Deadline;

use super::documents::PaymentDocument;
use super::schema::LIVE_BY_ORDER;
use super::{Refusal, Store, Written, unreadable};
use crate::domain::{EntryKind, Method, Order, Payment, Posting, Status};
use crate::events;

/// A step of a payment from one status to the next.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The status that it must have.
    pub(crate) from: Status,
    /// The status that it gets.
    pub(crate) to: Status,
    /// The provider's name for the charge, where it is known.
    pub(crate) provider_reference: Option<String>,
    /// When the resolver is to look at it, if it is not settled by this.
    pub(crate) due_at: Option<Timestamp>,
}

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

    /// Records a card payment before the provider is asked. `false`: the order has a live payment already.
    pub(crate) async fn begin(&self, payment: &Payment, due_at: Timestamp, deadline: Deadline) -> Result<bool, Error> {
        let document = PaymentDocument::new(payment, Some(due_at));
        match bounded(deadline, |_| self.payments.insert_one(document)).await {
            Ok(_) => Ok(true),
            Err(Error::Failed(error)) if duplicate_key_index(&error).as_deref() == Some(LIVE_BY_ORDER) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes a step.
    ///
    /// # Errors
    /// [`Refusal::Changed`] when the payment is not, or no longer, in the status that the step comes from.
    pub(crate) async fn step(&self, id: PaymentId, step: Step, deadline: Deadline) -> Written<()> {
        let store = self.clone();
        self.db
            .transact(deadline, move |session| {
                let (store, step) = (store.clone(), step.clone());
                async move {
                    let event = store.write_step(session, id, step).await?;
                    Ok(store.outbox.write(session, event).await?)
                }
                .boxed()
            })
            .await
    }

    /// A step in the caller's transaction, and the event of it if it has one.
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
        Ok(events::of_payment(&payment, changed_at))
    }

    /// Up to `limit` payments that the resolver is to look at by now, those that have waited longest first.
    pub(crate) async fn due(&self, now: Timestamp, limit: u32, deadline: Deadline) -> Result<Vec<Payment>, Error> {
        let filter = doc! { "dueAt": { "$lte": to_bson_time(now) } };
        let limit = i64::from(limit);
        let find = |left| self.payments.find(filter).sort(doc! { "dueAt": 1 }).limit(limit).max_time(left);
        let cursor = bounded(deadline, find).await?;
        let documents: Vec<_> = bounded(deadline, |_| cursor.try_collect()).await?;
        Ok(documents.into_iter().map(Payment::try_from).collect::<Result<_, _>>()?)
    }

    /// Takes an order's price from its owner's account and records the payment, both or neither.
    pub(crate) async fn pay_from_balance(&self, order: Order, deadline: Deadline) -> Written<Payment> {
        let store = self.clone();
        self.db
            .transact(deadline, move |session| {
                let store = store.clone();
                async move { store.write_balance_payment(session, &order).await }.boxed()
            })
            .await
    }

    /// Gives a payment's amount back to the owner's account and marks it as refunded, both or neither.
    pub(crate) async fn refund_to_balance(&self, payment: &Payment, deadline: Deadline) -> Written<()> {
        let store = self.clone();
        let payment = payment.clone();
        self.db
            .transact(deadline, move |session| {
                let (store, payment) = (store.clone(), payment.clone());
                async move { store.write_balance_refund(session, &payment).await }.boxed()
            })
            .await
    }

    /// The payment goes first, so that an order that is paid already is told from one that the account can't pay.
    async fn write_balance_payment(
        &self,
        session: &mut ClientSession,
        order: &Order,
    ) -> Result<Payment, Abort<Refusal>> {
        let payment = Payment::new(order, Method::Balance, Status::Captured, primitives::now());
        match self.payments.insert_one(PaymentDocument::new(&payment, None)).session(&mut *session).await {
            Ok(_) => {}
            Err(error) if duplicate_key_index(&error).as_deref() == Some(LIVE_BY_ORDER) => {
                return Err(Abort::Refused(Refusal::AlreadyLive));
            }
            Err(error) => return Err(error.into()),
        }
        let posting = Posting { amount: order.amount, kind: EntryKind::Payment(order.id, payment.id) };
        let posted = self.post(session, order.owner, posting).await?;
        let captured = events::of_payment(&payment, payment.created_at);
        self.outbox.write(session, captured.into_iter().chain([posted])).await?;
        Ok(payment)
    }

    async fn write_balance_refund(&self, session: &mut ClientSession, payment: &Payment) -> Result<(), Abort<Refusal>> {
        let step = Step { from: Status::Captured, to: Status::Refunded, provider_reference: None, due_at: None };
        let refunded = self.write_step(session, payment.id, step).await?;
        let posting = Posting { amount: payment.amount, kind: EntryKind::Refund(payment.order_id, payment.id) };
        let posted = self.post(session, payment.user_id, posting).await?;
        Ok(self.outbox.write(session, refunded.into_iter().chain([posted])).await?)
    }
}

/// The time of a step is always after the one before, however the clocks of replicas differ.
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
