//! Which replica of the order service places an order. Any of them can; but orders of one SKU share a transaction only
//! where they meet, so those of a hot SKU go to the same replica as long as it is fit and has room.

mod heat;

use proto::order::v1::PlaceOrderRequest;

use crate::config::PlacementConfig;
use heat::Heat;

/// Chooses the key by which an order finds its replica.
#[derive(Debug)]
pub(crate) struct Placement {
    /// Nothing when all replicas are the same to an order.
    heat: Option<Heat>,
}

impl Placement {
    pub(crate) fn new(config: &PlacementConfig) -> Self {
        Self { heat: config.affinity.then(Heat::new) }
    }

    /// The hottest SKU of the order.
    pub(crate) fn key(&self, order: &PlaceOrderRequest) -> Option<String> {
        let skus = order.lines.iter().map(|line| line.sku.as_str());
        self.heat.as_ref()?.hottest(skus).map(ToOwned::to_owned)
    }
}
