//! The books of the payment service, and refunds.

use balancer::{Channel, Upstream};
use envelope::Error;
use mongo::Cut;
use primitives::{OrderId, UserId};
use proto::payment::v1 as pb;
use proto::payment::v1::payment_audit_service_client::PaymentAuditServiceClient;
use proto::payment::v1::payment_service_client::PaymentServiceClient;
use service::RequestContext;

use super::pages::{CALL_TIMEOUT, MAX_MESSAGE, Pages, as_of, background, internal, pages, parse, texts};
use crate::domain::checks::{Account, AccountEntry, EntryKind, Payment, PaymentStatus};

/// The books of the payment service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct PaymentBooks(pub(super) Upstream);

impl PaymentBooks {
    /// Payments of these orders that were not declined, or of all when there are none; by order.
    pub(crate) fn payments(&self, cut: Cut, ids: &[OrderId]) -> Pages<Payment> {
        let request = pb::AuditPaymentsRequest { as_of: as_of(cut), order_ids: texts(ids) };
        let mut client = self.audit();
        let call = async move { client.audit_payments(internal(request)?).await };
        pages(call, |page| page.payments.into_iter().map(to_payment).collect())
    }

    /// Account entries of payments of these orders, or of all when there are none; by order, which comes with each.
    pub(crate) fn order_entries(&self, cut: Cut, ids: &[OrderId]) -> Pages<(OrderId, AccountEntry)> {
        let request = pb::AuditOrderEntriesRequest { as_of: as_of(cut), order_ids: texts(ids) };
        let mut client = self.audit();
        let call = async move { client.audit_order_entries(internal(request)?).await };
        pages(call, |page| {
            let entry = |one: pb::AuditedEntry| Ok((parse(&one.order_id)?, to_entry(&one)?));
            page.entries.into_iter().map(entry).collect()
        })
    }

    /// Entries of these accounts, or of all when there are none; by account and number.
    pub(crate) fn account_entries(&self, cut: Cut, users: &[UserId]) -> Pages<AccountEntry> {
        let request = pb::AuditAccountEntriesRequest { as_of: as_of(cut), user_ids: texts(users) };
        let mut client = self.audit();
        let call = async move { client.audit_account_entries(internal(request)?).await };
        pages(call, |page| page.entries.iter().map(to_entry).collect())
    }

    /// These accounts, or all when there are none, by the user's id.
    pub(crate) fn accounts(&self, cut: Cut, users: &[UserId]) -> Pages<Account> {
        let request = pb::AuditAccountsRequest { as_of: as_of(cut), user_ids: texts(users) };
        let mut client = self.audit();
        let call = async move { client.audit_accounts(internal(request)?).await };
        pages(call, |page| {
            let account = |one: pb::AuditedAccount| {
                Ok(Account { owner: parse(&one.user_id)?, balance: one.balance, version: one.version })
            };
            page.accounts.into_iter().map(account).collect()
        })
    }

    /// Refunds what was captured for an order, at most once however often it is called.
    pub(crate) async fn refund(&self, order: OrderId) -> Result<(), Error> {
        let refund = pb::RefundRequest { order_id: order.to_string() };
        let context = RequestContext::internal(CALL_TIMEOUT);
        let answer = self.0.ask(&context, refund, background(), |channel, request| async move {
            PaymentServiceClient::new(channel).refund(request).await
        });
        answer.await.map(drop)
    }

    fn audit(&self) -> PaymentAuditServiceClient<Channel> {
        PaymentAuditServiceClient::new(self.0.channel()).max_decoding_message_size(MAX_MESSAGE)
    }
}

fn to_payment(message: pb::AuditedPayment) -> Result<Payment, Error> {
    let paid = message.payment.ok_or_else(|| Error::internal("an audited payment without its payment"))?;
    let status = match paid.status() {
        pb::PaymentStatus::Captured => PaymentStatus::Captured,
        pb::PaymentStatus::Refunded => PaymentStatus::Refunded,
        pb::PaymentStatus::Pending | pb::PaymentStatus::Declined => PaymentStatus::NotTaken,
        pb::PaymentStatus::Unspecified => return Err(Error::internal("a payment without a status")),
    };
    Ok(Payment {
        id: parse(&paid.id)?,
        order: parse(&paid.order_id)?,
        status,
        from_account: paid.method() == pb::PaymentMethod::Balance,
        amount: proto::to_money("amount", paid.amount).map_err(Error::internal)?.amount(),
        refunding: message.refunding,
    })
}

fn to_entry(message: &pb::AuditedEntry) -> Result<AccountEntry, Error> {
    let kind = match (message.payment_id.as_str(), message.is_refund) {
        ("", _) => EntryKind::Deposit,
        (payment, false) => EntryKind::Payment(parse(payment)?),
        (payment, true) => EntryKind::Refund(parse(payment)?),
    };
    Ok(AccountEntry {
        id: parse(&message.entry_id)?,
        owner: parse(&message.user_id)?,
        sequence: message.sequence,
        delta: message.delta,
        balance_after: message.balance_after,
        kind,
    })
}
