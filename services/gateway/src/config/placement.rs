//! `[placement]`

use serde::Deserialize;

/// `[placement]`: which replica of the order service places an order.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlacementConfig {
    /// Whether orders of one SKU go to the same replica, which is fastest when many want the same; true by default.
    /// False leaves it to the strategy of `[upstreams] order`. Both are equally correct.
    pub affinity: bool,
}

impl Default for PlacementConfig {
    fn default() -> Self {
        Self { affinity: true }
    }
}
