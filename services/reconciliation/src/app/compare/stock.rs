//! Order lines against stock movements, and stock counters against the sums of their movements.

use envelope::Error;
use mongo::Cut;
use primitives::{OrderId, Sku};

use super::sorted::{Sorted, lowest};
use crate::domain::{Check, Comparison, TimeRange, checks};
use crate::upstreams::Upstreams;

/// Compares movements that were made in a time range with the lines of these orders; all movements without a range, and
/// all orders when there are none.
pub(in crate::app) async fn compare_movements(
    upstreams: &Upstreams,
    cut: Cut,
    orders: &[OrderId],
    made: Option<TimeRange>,
) -> Result<Comparison, Error> {
    let mut comparison = Comparison::new(Check::Movements, cut.time());
    let mut movements = Sorted::new(upstreams.inventory.movements(cut, made));
    let mut moved = Sorted::new(upstreams.order.moved_pieces(cut, orders, made));
    while let Some(id) = lowest([movements.peek().await?, moved.peek().await?]) {
        let movement = movements.next_of(&id).await?;
        let lines = moved.next_of(&id).await?;
        comparison.count(1);
        comparison.found(checks::movement(id, movement.as_ref(), lines.map(|lines| lines.pieces)));
    }
    Ok(comparison)
}

/// Compares the counters of these SKUs, or of all when there are none.
pub(in crate::app) async fn compare_counters(
    upstreams: &Upstreams,
    cut: Cut,
    skus: &[Sku],
) -> Result<Comparison, Error> {
    let mut comparison = Comparison::new(Check::Counters, cut.time());
    let mut sums = Sorted::new(upstreams.inventory.movement_sums(cut, skus));
    let mut counters = Sorted::new(upstreams.inventory.counters(cut, skus));
    while let Some(sku) = lowest([counters.peek().await?, sums.peek().await?]) {
        // Both are absent before the first delivery, and without a product.
        let pieces = counters.next_of(&sku).await?.map_or(0, |counter| counter.pieces);
        let moved = sums.next_of(&sku).await?.map_or(0, |sum| sum.pieces);
        comparison.count(1);
        comparison.found(checks::counter(&sku, pieces, moved));
    }
    Ok(comparison)
}
