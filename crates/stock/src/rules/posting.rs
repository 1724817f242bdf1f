//! The movements of one transaction: those of all its orders, one for each SKU and reason.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::num::NonZeroI64;

use jiff::Timestamp;
use primitives::{MovementId, OrderId, Quantity, Sku};

use super::{Movement, Reason};

/// Movements that are written together. Orders of one posting share the movement of a SKU and reason, and each of their
/// lines refers to the movement that it is part of.
#[derive(Debug, Clone)]
pub struct Posting {
    at: Timestamp,
    movements: BTreeMap<(Sku, Reason), Movement>,
}

impl Posting {
    /// An empty posting; `at` is the creation time of its movements.
    pub fn new(at: Timestamp) -> Self {
        Self { at, movements: BTreeMap::new() }
    }

    /// Takes the stock of an order and returns the movement of each line, sorted by SKU.
    pub fn take(&mut self, order: OrderId, lines: &BTreeMap<Sku, Quantity>) -> Vec<MovementId> {
        let deltas = lines.iter().map(|(sku, quantity)| (sku, -i64::from(*quantity)));
        deltas.map(|(sku, delta)| self.add(order, sku, delta, Reason::OrderPlaced)).collect()
    }

    /// Gives back the stock of an order and returns the movement of each line, sorted by SKU.
    pub fn give_back(&mut self, order: OrderId, lines: &BTreeMap<Sku, Quantity>, reason: &Reason) -> Vec<MovementId> {
        let deltas = lines.iter().map(|(sku, quantity)| (sku, i64::from(*quantity)));
        deltas.map(|(sku, delta)| self.add(order, sku, delta, reason.clone())).collect()
    }

    /// The movements, sorted by SKU.
    pub(crate) fn movements(&self) -> impl Iterator<Item = &Movement> {
        self.movements.values()
    }

    /// The change of each counter; 0 if as much is given back as taken.
    pub fn changes(&self) -> BTreeMap<&Sku, i64> {
        let mut changes = BTreeMap::new();
        for movement in self.movements.values() {
            *changes.entry(&movement.sku).or_default() += movement.delta.get();
        }
        changes
    }

    /// `delta` is not 0 and has the sign of its reason, so no sum is 0.
    fn add(&mut self, order: OrderId, sku: &Sku, delta: i64, reason: Reason) -> MovementId {
        let added = |sum: i64| NonZeroI64::new(sum.saturating_add(delta));
        match self.movements.entry((sku.clone(), reason)) {
            Entry::Occupied(mut entry) => {
                let movement = entry.get_mut();
                movement.delta = added(movement.delta.get()).unwrap_or(movement.delta);
                if movement.order_id != Some(order) {
                    movement.order_id = None;
                }
                movement.id
            }
            Entry::Vacant(entry) => {
                let (sku, reason) = entry.key().clone();
                let delta = added(0).unwrap_or(NonZeroI64::MIN);
                let id = MovementId::new();
                entry.insert(Movement { id, sku, delta, reason, order_id: Some(order), created_at: self.at });
                id
            }
        }
    }
}

impl From<Movement> for Posting {
    fn from(movement: Movement) -> Self {
        let key = (movement.sku.clone(), movement.reason.clone());
        Self { at: movement.created_at, movements: BTreeMap::from([(key, movement)]) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn lines(lines: &[(&str, u32)]) -> BTreeMap<Sku, Quantity> {
        let line = |(sku, pieces): &(&str, u32)| (sku.parse().unwrap(), Quantity::try_from(*pieces).unwrap());
        lines.iter().map(line).collect()
    }

    #[test]
    fn orders_share_a_movement_for_each_sku_and_reason() {
        let mut posting = Posting::new(primitives::now());
        let (first, second, third) = (OrderId::new(), OrderId::new(), OrderId::new());
        let one = posting.take(first, &lines(&[("a", 2), ("b", 1)]));
        let two = posting.take(second, &lines(&[("a", 3)]));
        let back = posting.give_back(third, &lines(&[("a", 4)]), &Reason::OrderExpired);
        assert_eq!(one[0], two[0]);
        let seen: Vec<_> = posting
            .movements()
            .map(|movement| (movement.id, movement.sku.as_str(), movement.delta.get(), movement.order_id))
            .collect();
        let expected = [(one[0], "a", -5, None), (back[0], "a", 4, Some(third)), (one[1], "b", -1, Some(first))];
        assert_eq!(seen, expected);
        let changes: Vec<_> = posting.changes().into_iter().map(|(sku, delta)| (sku.as_str(), delta)).collect();
        assert_eq!(changes, [("a", -1), ("b", -1)]);
    }

    proptest! {
        /// The counters change by the sum of the lines and by the sum of the movements, and each line names a movement
        /// of its SKU.
        #[test]
        fn movements_add_up_to_the_lines(
            orders in prop::collection::vec(
                (any::<bool>(), prop::collection::btree_map("[a-c]", 1_u32..9, 1..4)),
                0..20,
            ),
        ) {
            let mut posting = Posting::new(primitives::now());
            let mut expected = BTreeMap::<Sku, i64>::new();
            for (takes, order) in orders {
                let lines: Vec<_> = order.iter().map(|(sku, pieces)| (sku.as_str(), *pieces)).collect();
                let lines = lines_of(&lines, takes, &mut expected);
                let id = OrderId::new();
                let named = if takes {
                    posting.take(id, &lines)
                } else {
                    posting.give_back(id, &lines, &Reason::OrderCancelled)
                };
                prop_assert_eq!(named.len(), lines.len());
                for (sku, named) in lines.keys().zip(named) {
                    prop_assert!(posting.movements().any(|movement| movement.id == named && movement.sku == *sku));
                }
            }
            let mut moved = BTreeMap::<Sku, i64>::new();
            for movement in posting.movements() {
                *moved.entry(movement.sku.clone()).or_default() += movement.delta.get();
            }
            let changes: BTreeMap<_, _> = posting.changes().into_iter().map(|(sku, by)| (sku.clone(), by)).collect();
            prop_assert_eq!(&changes, &expected);
            prop_assert_eq!(changes, moved);
        }
    }

    fn lines_of(order: &[(&str, u32)], takes: bool, sums: &mut BTreeMap<Sku, i64>) -> BTreeMap<Sku, Quantity> {
        let lines = lines(order);
        for (sku, quantity) in &lines {
            let pieces = i64::from(*quantity);
            *sums.entry(sku.clone()).or_default() += if takes { -pieces } else { pieces };
        }
        lines
    }
}
