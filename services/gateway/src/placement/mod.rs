//! Chooses the replica of the order service that places an order. Any of them can; but orders share a transaction only
//! within a replica, so those of a hot SKU go to the same replica while it is healthy and has capacity.

mod heat;

use proto::order::v1::PlaceOrderRequest;

use crate::config::PlacementConfig;
use heat::Heat;

/// Chooses the key by which an order is routed to a replica.
#[derive(Debug)]
pub(crate) struct Placement {
    /// None without affinity: any replica will do.
    heat: Option<Heat>,
}

impl Placement {
    pub(crate) fn new(config: &PlacementConfig) -> Self {
        Self { heat: config.affinity.then(Heat::new) }
    }

    /// The hottest SKU of the order, if affinity is on.
    pub(crate) fn key(&self, order: &PlaceOrderRequest) -> Option<String> {
        let skus = order.lines.iter().map(|line| line.sku.as_str());
        self.heat.as_ref()?.hottest(skus).map(ToOwned::to_owned)
    }
}
