//! The books of the payment service, for the reconciliation.

use futures::stream::BoxStream;
use proto::payment::v1 as pb;
use proto::payment::v1::payment_audit_service_server::PaymentAuditService;
use service::grpc::{invalid, parse_all, stream_pages};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::from_payment;
use crate::domain::{self, Account, Entry, EntryKind, Payment};
use crate::store::Store;

/// The most ids of a request.
const MAX_IDS: usize = 50_000;

/// Serves `PaymentAuditService`.
#[derive(Clone)]
pub(crate) struct AuditGrpc {
    pub(crate) store: Store,
    /// Ends open streams.
    pub(crate) drain: CancellationToken,
}

#[tonic::async_trait]
impl PaymentAuditService for AuditGrpc {
    type AuditPaymentsStream = BoxStream<'static, Result<pb::AuditPaymentsResponse, Status>>;
    type AuditOrderEntriesStream = BoxStream<'static, Result<pb::AuditOrderEntriesResponse, Status>>;
    type AuditAccountEntriesStream = BoxStream<'static, Result<pb::AuditAccountEntriesResponse, Status>>;
    type AuditAccountsStream = BoxStream<'static, Result<pb::AuditAccountsResponse, Status>>;

    async fn audit_payments(
        &self,
        request: Request<pb::AuditPaymentsRequest>,
    ) -> Result<Response<Self::AuditPaymentsStream>, Status> {
        let request = request.into_inner();
        let orders = parse_all("order_ids", &request.order_ids, MAX_IDS)?;
        let cut = proto::to_cut("as_of", request.as_of).map_err(invalid)?;
        let pages = self.store.audit_payments(cut.into(), &orders);
        let to_message = |page: Vec<_>| pb::AuditPaymentsResponse { payments: page.iter().map(from_audited).collect() };
        Ok(stream_pages(pages, self.drain.clone(), to_message))
    }

    async fn audit_order_entries(
        &self,
        request: Request<pb::AuditOrderEntriesRequest>,
    ) -> Result<Response<Self::AuditOrderEntriesStream>, Status> {
        let request = request.into_inner();
        let orders = parse_all("order_ids", &request.order_ids, MAX_IDS)?;
        let cut = proto::to_cut("as_of", request.as_of).map_err(invalid)?;
        let pages = self.store.audit_order_entries(cut.into(), &orders);
        let to_message =
            |page: Vec<_>| pb::AuditOrderEntriesResponse { entries: page.iter().map(from_entry).collect() };
        Ok(stream_pages(pages, self.drain.clone(), to_message))
    }

    async fn audit_account_entries(
        &self,
        request: Request<pb::AuditAccountEntriesRequest>,
    ) -> Result<Response<Self::AuditAccountEntriesStream>, Status> {
        let request = request.into_inner();
        let users = parse_all("user_ids", &request.user_ids, MAX_IDS)?;
        let cut = proto::to_cut("as_of", request.as_of).map_err(invalid)?;
        let pages = self.store.audit_account_entries(cut.into(), &users);
        let to_message =
            |page: Vec<_>| pb::AuditAccountEntriesResponse { entries: page.iter().map(from_entry).collect() };
        Ok(stream_pages(pages, self.drain.clone(), to_message))
    }

    async fn audit_accounts(
        &self,
        request: Request<pb::AuditAccountsRequest>,
    ) -> Result<Response<Self::AuditAccountsStream>, Status> {
        let request = request.into_inner();
        let users = parse_all("user_ids", &request.user_ids, MAX_IDS)?;
        let cut = proto::to_cut("as_of", request.as_of).map_err(invalid)?;
        let pages = self.store.audit_accounts(cut.into(), &users);
        let to_message = |page: Vec<_>| pb::AuditAccountsResponse { accounts: page.iter().map(from_account).collect() };
        Ok(stream_pages(pages, self.drain.clone(), to_message))
    }
}

fn from_audited(payment: &Payment) -> pb::AuditedPayment {
    pb::AuditedPayment {
        payment: Some(from_payment(payment)),
        user_id: payment.user_id.to_string(),
        refunding: payment.status == domain::Status::Refunding,
    }
}

fn from_entry(entry: &Entry) -> pb::AuditedEntry {
    let (of, is_refund) = match entry.kind {
        EntryKind::Deposit => (None, false),
        EntryKind::Payment(order, payment) => (Some((order, payment)), false),
        EntryKind::Refund(order, payment) => (Some((order, payment)), true),
    };
    let (order_id, payment_id) =
        of.map(|(order, payment)| (order.to_string(), payment.to_string())).unwrap_or_default();
    pb::AuditedEntry {
        entry_id: entry.id.to_string(),
        user_id: entry.owner.to_string(),
        sequence: entry.sequence,
        delta: entry.delta.get(),
        balance_after: entry.balance_after,
        order_id,
        payment_id,
        is_refund,
    }
}

fn from_account(account: &Account) -> pb::AuditedAccount {
    pb::AuditedAccount {
        user_id: account.owner.to_string(),
        balance: account.balance.amount(),
        version: account.version,
    }
}
