//! `[placement]`

use serde::Deserialize;

/// `[placement]`: the choice of the order replica that places an order.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlacementConfig {
    /// Whether orders of one SKU go to the same replica, which is fastest under contention; true by default. Otherwise
    /// the strategy of `[upstreams] order` decides. An optimisation; correctness does not depend on it.
    pub affinity: bool,
}

impl Default for PlacementConfig {
    fn default() -> Self {
        Self { affinity: true }
    }
}
