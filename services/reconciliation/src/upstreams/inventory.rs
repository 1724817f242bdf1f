//! The books of the inventory service: the stock ledger.

use balancer::{Channel, Upstream};
use envelope::Error;
use mongo::Cut;
use primitives::Sku;
use proto::inventory::v1 as pb;
use proto::inventory::v1::stock_audit_service_client::StockAuditServiceClient;

use super::pages::{MAX_MESSAGE, Pages, as_of, bounds, internal, pages, parse, texts};
use crate::domain::checks::Movement;
use crate::domain::{SkuPieces, TimeRange};

/// The books of the inventory service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct InventoryBooks(pub(super) Upstream);

impl InventoryBooks {
    /// Movements that were made for orders in a time range, by id.
    pub(crate) fn movements(&self, cut: Cut, made: Option<TimeRange>) -> Pages<Movement> {
        let (made_from, made_to) = bounds(made);
        let request = pb::AuditMovementsRequest { as_of: as_of(cut), made_from, made_to };
        let mut client = self.audit();
        let call = async move { client.audit_movements(internal(request)?).await };
        pages(call, |page| page.movements.iter().map(to_movement).collect())
    }

    /// The counters of these SKUs, or of all when there are none, by SKU.
    pub(crate) fn counters(&self, cut: Cut, skus: &[Sku]) -> Pages<SkuPieces> {
        let request = pb::AuditCountersRequest { as_of: as_of(cut), skus: texts(skus) };
        let mut client = self.audit();
        let call = async move { client.audit_counters(internal(request)?).await };
        pages(call, |page| {
            let counter = |one: pb::Counter| Ok(SkuPieces { sku: parse(&one.sku)?, pieces: one.available });
            page.counters.into_iter().map(counter).collect()
        })
    }

    /// The sums of the movements of these SKUs, or of all when there are none, by SKU.
    pub(crate) fn movement_sums(&self, cut: Cut, skus: &[Sku]) -> Pages<SkuPieces> {
        let request = pb::AuditMovementSumsRequest { as_of: as_of(cut), skus: texts(skus) };
        let mut client = self.audit();
        let call = async move { client.audit_movement_sums(internal(request)?).await };
        pages(call, |page| {
            let sum = |one: pb::MovementSum| Ok(SkuPieces { sku: parse(&one.sku)?, pieces: one.moved });
            page.sums.into_iter().map(sum).collect()
        })
    }

    fn audit(&self) -> StockAuditServiceClient<Channel> {
        StockAuditServiceClient::new(self.0.channel()).max_decoding_message_size(MAX_MESSAGE)
    }
}

fn to_movement(message: &pb::AuditedMovement) -> Result<Movement, Error> {
    Ok(Movement { id: parse(&message.movement_id)?, sku: parse(&message.sku)?, delta: message.delta })
}
