//! The books of other services, as of a cut; and what can be done about a difference there.

use std::time::Duration;

use balancer::{Ask, Channel, Upstream};
use envelope::Error;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use mongo::Cut;
use primitives::{EventId, MovementId, OrderId, ParseError, Sku, UserId};
use proto::common::v1::Cut as CutMessage;
use proto::inventory::v1 as stock;
use proto::inventory::v1::stock_audit_service_client::StockAuditServiceClient;
use proto::messaging::v1::outbox_service_client::OutboxServiceClient;
use proto::messaging::v1::{Entry as OutboxEntry, ListEventsRequest, RepublishRequest};
use proto::order::v1 as order;
use proto::order::v1::order_audit_service_client::OrderAuditServiceClient;
use proto::payment::v1 as payment;
use proto::payment::v1::payment_audit_service_client::PaymentAuditServiceClient;
use proto::payment::v1::payment_service_client::PaymentServiceClient;
use service::{Deadline, RequestContext, Shell};
use tonic::{Response, Status, Streaming};

use crate::config::UpstreamsConfig;
use crate::domain::checks::{
    Account, Entry, EntryKind, KeptEvent, Movement, Order, OrderStatus, Payment, PaymentStatus,
};
use crate::domain::{MovedPieces, Publisher, SkuPieces, TimedEvent};

/// How long a call may take to be answered; a stream, to begin.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a page may take; services give up on it sooner.
const PAGE_TIMEOUT: Duration = Duration::from_secs(250);
/// The largest message that is read, in bytes. Services cut their pages well below.
const MAX_MESSAGE: usize = 16 << 20;

/// Pages in the order of their key.
pub(crate) type Pages<T> = BoxStream<'static, Result<Vec<T>, Error>>;

/// The services whose books are compared. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Books {
    order: Upstream,
    inventory: Upstream,
    payment: Upstream,
}

impl Books {
    pub(crate) fn new(config: &UpstreamsConfig, shell: &Shell) -> Self {
        Self {
            order: Upstream::start("order", &config.order, shell),
            inventory: Upstream::start("inventory", &config.inventory, shell),
            payment: Upstream::start("payment", &config.payment, shell),
        }
    }

    /// These orders, or all when there are none, by id.
    pub(crate) fn orders(&self, cut: Cut, ids: &[OrderId]) -> Pages<Order> {
        let request = order::AuditOrdersRequest { as_of: as_of(cut), order_ids: texts(ids) };
        let mut client = OrderAuditServiceClient::new(self.order.channel()).max_decoding_message_size(MAX_MESSAGE);
        let call = async move { client.audit_orders(internal(request)?).await };
        pages(call, |page| page.orders.into_iter().map(to_order).collect())
    }

    /// What the lines of these orders, or of all when there are none, say of movements that were made in a span of
    /// time; by movement.
    pub(crate) fn moved_pieces(
        &self,
        cut: Cut,
        ids: &[OrderId],
        span: Option<(Timestamp, Timestamp)>,
    ) -> Pages<MovedPieces> {
        let (moved_from, moved_to) = span_of(span);
        let order_ids = texts(ids);
        let request = order::AuditMovedPiecesRequest { as_of: as_of(cut), order_ids, moved_from, moved_to };
        let mut client = OrderAuditServiceClient::new(self.order.channel()).max_decoding_message_size(MAX_MESSAGE);
        let call = async move { client.audit_moved_pieces(internal(request)?).await };
        pages(call, |page| {
            let moved =
                |one: order::MovedPieces| Ok(MovedPieces { movement: parse(&one.movement_id)?, pieces: one.pieces });
            page.moved_pieces.into_iter().map(moved).collect()
        })
    }

    /// Movements that orders made in a span of time, by id.
    pub(crate) fn movements(&self, cut: Cut, span: Option<(Timestamp, Timestamp)>) -> Pages<Movement> {
        let (made_from, made_to) = span_of(span);
        let request = stock::AuditMovementsRequest { as_of: as_of(cut), made_from, made_to };
        let mut client = self.stock();
        let call = async move { client.audit_movements(internal(request)?).await };
        pages(call, |page| {
            let movement = |one: stock::AuditedMovement| {
                let id: MovementId = parse(&one.movement_id)?;
                Ok(Movement { id, sku: parse(&one.sku)?, delta: one.delta })
            };
            page.movements.into_iter().map(movement).collect()
        })
    }

    /// The counters of these SKUs, or of all when there are none, by SKU.
    pub(crate) fn counters(&self, cut: Cut, skus: &[Sku]) -> Pages<SkuPieces> {
        let request = stock::AuditCountersRequest { as_of: as_of(cut), skus: texts(skus) };
        let mut client = self.stock();
        let call = async move { client.audit_counters(internal(request)?).await };
        pages(call, |page| {
            let counter = |one: stock::Counter| Ok(SkuPieces { sku: parse(&one.sku)?, pieces: one.available });
            page.counters.into_iter().map(counter).collect()
        })
    }

    /// What the movements of these SKUs, or of all when there are none, add up to; by SKU.
    pub(crate) fn movement_sums(&self, cut: Cut, skus: &[Sku]) -> Pages<SkuPieces> {
        let request = stock::AuditMovementSumsRequest { as_of: as_of(cut), skus: texts(skus) };
        let mut client = self.stock();
        let call = async move { client.audit_movement_sums(internal(request)?).await };
        pages(call, |page| {
            let sum = |one: stock::MovementSum| Ok(SkuPieces { sku: parse(&one.sku)?, pieces: one.moved });
            page.sums.into_iter().map(sum).collect()
        })
    }

    /// Payments of these orders that were not declined, or of all when there are none; by order.
    pub(crate) fn payments(&self, cut: Cut, ids: &[OrderId]) -> Pages<Payment> {
        let request = payment::AuditPaymentsRequest { as_of: as_of(cut), order_ids: texts(ids) };
        let mut client = self.payment_audit();
        let call = async move { client.audit_payments(internal(request)?).await };
        pages(call, |page| page.payments.into_iter().map(to_payment).collect())
    }

    /// Entries that payments of these orders made, or of all when there are none; by order, which is given with each.
    pub(crate) fn order_entries(&self, cut: Cut, ids: &[OrderId]) -> Pages<(OrderId, Entry)> {
        let request = payment::AuditOrderEntriesRequest { as_of: as_of(cut), order_ids: texts(ids) };
        let mut client = self.payment_audit();
        let call = async move { client.audit_order_entries(internal(request)?).await };
        pages(call, |page| {
            let entry = |one: payment::AuditedEntry| Ok((parse(&one.order_id)?, to_entry(&one)?));
            page.entries.into_iter().map(entry).collect()
        })
    }

    /// Entries of these accounts, or of all when there are none; by account and number.
    pub(crate) fn account_entries(&self, cut: Cut, users: &[UserId]) -> Pages<Entry> {
        let request = payment::AuditAccountEntriesRequest { as_of: as_of(cut), user_ids: texts(users) };
        let mut client = self.payment_audit();
        let call = async move { client.audit_account_entries(internal(request)?).await };
        pages(call, |page| page.entries.iter().map(to_entry).collect())
    }

    /// These accounts, or all when there are none; by the user's id.
    pub(crate) fn accounts(&self, cut: Cut, users: &[UserId]) -> Pages<Account> {
        let request = payment::AuditAccountsRequest { as_of: as_of(cut), user_ids: texts(users) };
        let mut client = self.payment_audit();
        let call = async move { client.audit_accounts(internal(request)?).await };
        pages(call, |page| {
            let account = |one: payment::AuditedAccount| {
                Ok(Account { owner: parse(&one.user_id)?, balance: one.balance, version: one.version })
            };
            page.accounts.into_iter().map(account).collect()
        })
    }

    /// The events of a span of time that a service keeps, by time.
    pub(crate) fn events(
        &self,
        publisher: Publisher,
        cut: Cut,
        (from, to): (Timestamp, Timestamp),
    ) -> Pages<TimedEvent> {
        let (from, to) = (Some(proto::from_timestamp(from)), Some(proto::from_timestamp(to)));
        let request = ListEventsRequest { from, to, as_of: as_of(cut) };
        let mut client = self.outbox(publisher).max_decoding_message_size(MAX_MESSAGE);
        let call = async move { client.list_events(internal(request)?).await };
        pages(call, move |page| {
            let events = page.entries.into_iter().map(|entry| to_events(publisher, entry));
            Ok(events.collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().collect())
        })
    }

    /// Has entries of a service's outbox published again; gives how many of them it still keeps. At most 1,000.
    pub(crate) async fn publish_again(&self, publisher: Publisher, entries: &[EventId]) -> Result<u32, Error> {
        let again = RepublishRequest { entry_ids: texts(entries) };
        let context = RequestContext::internal(CALL_TIMEOUT);
        let answer = self.publisher(publisher).ask(&context, again, patiently(), |channel, request| async move {
            OutboxServiceClient::new(channel).republish(request).await
        });
        Ok(answer.await?.into_inner().entries)
    }

    /// Gives back what was captured for an order, once whatever happens.
    pub(crate) async fn refund(&self, order: OrderId) -> Result<(), Error> {
        let refund = payment::RefundRequest { order_id: order.to_string() };
        let context = RequestContext::internal(CALL_TIMEOUT);
        let answer = self.payment.ask(&context, refund, patiently(), |channel, request| async move {
            PaymentServiceClient::new(channel).refund(request).await
        });
        answer.await.map(drop)
    }

    fn stock(&self) -> StockAuditServiceClient<Channel> {
        StockAuditServiceClient::new(self.inventory.channel()).max_decoding_message_size(MAX_MESSAGE)
    }

    fn payment_audit(&self) -> PaymentAuditServiceClient<Channel> {
        PaymentAuditServiceClient::new(self.payment.channel()).max_decoding_message_size(MAX_MESSAGE)
    }

    fn outbox(&self, publisher: Publisher) -> OutboxServiceClient<Channel> {
        OutboxServiceClient::new(self.publisher(publisher).channel())
    }

    fn publisher(&self, publisher: Publisher) -> &Upstream {
        match publisher {
            Publisher::Order => &self.order,
            Publisher::Inventory => &self.inventory,
            Publisher::Payment => &self.payment,
        }
    }
}

/// Nobody waits for these calls, and each may be made twice.
fn patiently() -> Ask<'static> {
    Ask::idempotent().attempt_timeout(CALL_TIMEOUT)
}

/// The pages of a call's stream, read as they are taken.
fn pages<M: Send + 'static, T: Send + 'static>(
    call: impl Future<Output = Result<Response<Streaming<M>>, Status>> + Send + 'static,
    to_items: impl Fn(M) -> Result<Vec<T>, Error> + Clone + Send + 'static,
) -> Pages<T> {
    let opened = async move {
        let answer = Deadline::after(CALL_TIMEOUT).bound(call).await?.map_err(Error::from_status)?;
        Ok::<_, Error>(stream::try_unfold((answer.into_inner(), to_items), async |(mut messages, to_items)| {
            let message = Deadline::after(PAGE_TIMEOUT).bound(messages.message()).await?;
            let Some(message) = message.map_err(Error::from_status)? else { return Ok(None) };
            Ok(Some((to_items(message)?, (messages, to_items))))
        }))
    };
    stream::once(opened).try_flatten().boxed()
}

/// The request of a stream, which fails as a call does.
// The wire's own error type is large, as in all of tonic.
#[allow(clippy::result_large_err)]
fn internal<T>(message: T) -> Result<tonic::Request<T>, Status> {
    RequestContext::internal(CALL_TIMEOUT).request(message).map_err(Error::into_status)
}

// The wire has an option there.
#[allow(clippy::unnecessary_wraps)]
fn as_of(cut: Cut) -> Option<CutMessage> {
    Some(CutMessage { seconds: cut.seconds, increment: cut.increment })
}

fn span_of(span: Option<(Timestamp, Timestamp)>) -> (Option<proto::Timestamp>, Option<proto::Timestamp>) {
    span.map(|(from, to)| (proto::from_timestamp(from), proto::from_timestamp(to))).unzip()
}

fn texts<T: ToString>(ids: &[T]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn parse<T: std::str::FromStr<Err = ParseError>>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|error: ParseError| Error::internal(error))
}

fn to_order(message: order::AuditedOrder) -> Result<Order, Error> {
    let status = match message.status() {
        order::OrderStatus::PendingPayment => OrderStatus::Pending,
        order::OrderStatus::Paid => OrderStatus::Paid,
        order::OrderStatus::Cancelled | order::OrderStatus::Expired => OrderStatus::Ended,
        order::OrderStatus::Unspecified => return Err(Error::internal("an order without a status")),
    };
    Ok(Order {
        id: parse(&message.order_id)?,
        status,
        total: proto::to_money("total", message.total).map_err(Error::internal)?.amount(),
        being_paid: message.being_paid,
        refund_due: message.refund_due,
    })
}

fn to_payment(message: payment::AuditedPayment) -> Result<Payment, Error> {
    let paid = message.payment.ok_or_else(|| Error::internal("an audit without its payment"))?;
    let status = match paid.status() {
        payment::PaymentStatus::Captured => PaymentStatus::Captured,
        payment::PaymentStatus::Refunded => PaymentStatus::Refunded,
        payment::PaymentStatus::Pending | payment::PaymentStatus::Declined => PaymentStatus::NotTaken,
        payment::PaymentStatus::Unspecified => return Err(Error::internal("a payment without a status")),
    };
    Ok(Payment {
        id: parse(&paid.id)?,
        order: parse(&paid.order_id)?,
        status,
        from_account: paid.method() == payment::PaymentMethod::Balance,
        amount: proto::to_money("amount", paid.amount).map_err(Error::internal)?.amount(),
        refunding: message.refunding,
    })
}

fn to_entry(message: &payment::AuditedEntry) -> Result<Entry, Error> {
    let kind = match (message.payment_id.as_str(), message.is_refund) {
        ("", _) => EntryKind::Deposit,
        (payment, false) => EntryKind::Payment(parse(payment)?),
        (payment, true) => EntryKind::Refund(parse(payment)?),
    };
    Ok(Entry {
        id: parse(&message.entry_id)?,
        owner: parse(&message.user_id)?,
        sequence: message.sequence,
        delta: message.delta,
        balance_after: message.balance_after,
        kind,
    })
}

fn to_events(publisher: Publisher, entry: OutboxEntry) -> Result<Vec<TimedEvent>, Error> {
    let at = proto::to_timestamp("occurred_at", entry.occurred_at).map_err(Error::internal)?;
    let id: EventId = parse(&entry.id)?;
    let event = |event: proto::messaging::v1::KeptEvent| {
        let kept = KeptEvent { id: parse(&event.id)?, kind: event.kind, sent: entry.sent, publisher, entry: id };
        Ok(TimedEvent { at, event: kept })
    };
    entry.events.into_iter().map(event).collect()
}
