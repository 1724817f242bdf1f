//! The books of the order service.

use balancer::{Channel, Upstream};
use envelope::Error;
use mongo::Cut;
use primitives::OrderId;
use proto::order::v1 as pb;
use proto::order::v1::order_audit_service_client::OrderAuditServiceClient;

use super::pages::{MAX_MESSAGE, Pages, as_of, bounds, internal, pages, parse, texts};
use crate::domain::checks::{Order, OrderStatus};
use crate::domain::{MovedPieces, TimeRange};

/// The books of the order service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct OrderBooks(pub(super) Upstream);

impl OrderBooks {
    /// These orders, or all when there are none, by id.
    pub(crate) fn orders(&self, cut: Cut, ids: &[OrderId]) -> Pages<Order> {
        let request = pb::AuditOrdersRequest { as_of: as_of(cut), order_ids: texts(ids) };
        let mut client = self.audit();
        let call = async move { client.audit_orders(internal(request)?).await };
        pages(call, |page| page.orders.into_iter().map(to_order).collect())
    }

    /// The pieces of movements that were made in a time range, by the lines of these orders, or of all when there are
    /// none; by movement.
    pub(crate) fn moved_pieces(&self, cut: Cut, ids: &[OrderId], moved: Option<TimeRange>) -> Pages<MovedPieces> {
        let (moved_from, moved_to) = bounds(moved);
        let order_ids = texts(ids);
        let request = pb::AuditMovedPiecesRequest { as_of: as_of(cut), order_ids, moved_from, moved_to };
        let mut client = self.audit();
        let call = async move { client.audit_moved_pieces(internal(request)?).await };
        pages(call, |page| page.moved_pieces.into_iter().map(to_moved_pieces).collect())
    }

    fn audit(&self) -> OrderAuditServiceClient<Channel> {
        OrderAuditServiceClient::new(self.0.channel()).max_decoding_message_size(MAX_MESSAGE)
    }
}

fn to_order(message: pb::AuditedOrder) -> Result<Order, Error> {
    let status = match message.status() {
        pb::OrderStatus::PendingPayment => OrderStatus::Pending,
        pb::OrderStatus::Paid => OrderStatus::Paid,
        pb::OrderStatus::Cancelled | pb::OrderStatus::Expired => OrderStatus::Ended,
        pb::OrderStatus::Unspecified => return Err(Error::internal("an order without a status")),
    };
    Ok(Order {
        id: parse(&message.order_id)?,
        status,
        total: proto::to_money("total", message.total).map_err(Error::internal)?.amount(),
        being_paid: message.being_paid,
        refund_due: message.refund_due,
    })
}

fn to_moved_pieces(message: pb::MovedPieces) -> Result<MovedPieces, Error> {
    Ok(MovedPieces { movement: parse(&message.movement_id)?, pieces: message.pieces })
}
