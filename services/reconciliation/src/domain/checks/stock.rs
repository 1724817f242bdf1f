//! Stock counters against movements, and movements against orders.

use primitives::{MovementId, Sku};

use crate::domain::finding::{Difference, Finding};

/// A movement of the stock ledger that was made for orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Its id.
    pub id: MovementId,
    /// The SKU.
    pub sku: Sku,
    /// Pieces added or, when negative, removed.
    pub delta: i64,
}

/// Compares a movement with the sum of the order lines that name it, both settled. Pieces that orders have taken are
/// negative. `movement` is `None` when the ledger does not have it, `lines` when no order names it.
pub fn movement(id: MovementId, movement: Option<&Movement>, lines: Option<i64>) -> Option<Finding> {
    let moved = movement.map(|movement| movement.delta);
    if moved == lines {
        return None;
    }
    // The side with more pieces is the one that the other does not account for.
    let excess = match (moved, lines) {
        (Some(_), None) => true,
        (Some(moved), Some(lines)) => moved.unsigned_abs() > lines.unsigned_abs(),
        (None, _) => false,
    };
    let difference = if excess { Difference::MovementWithoutOrder } else { Difference::OrderWithoutMovement };
    let describe = |side: &str, pieces: Option<i64>| match pieces {
        Some(pieces) => format!("{side}: {pieces} pieces"),
        None => format!("{side}: nothing"),
    };
    Some(Finding::new(difference, id, describe("orders", lines), describe("ledger", moved)))
}

/// Compares a counter with the sum of its movements, both of one moment.
pub fn counter(sku: &Sku, available: i64, moved: i64) -> Option<Finding> {
    (available != moved).then(|| {
        let expected = format!("{moved} pieces by its movements");
        Finding::new(Difference::CounterDiffers, sku.as_str(), expected, format!("{available} pieces"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sku() -> Sku {
        "COFFEE".parse().unwrap()
    }

    fn kind(moved: Option<i64>, lines: Option<i64>) -> Option<Difference> {
        let id = MovementId::new();
        let moved = moved.map(|delta| Movement { id, sku: sku(), delta });
        movement(id, moved.as_ref(), lines).map(|finding| finding.difference)
    }

    #[test]
    fn a_movement_and_its_orders_are_compared_by_pieces() {
        assert_eq!(kind(Some(-5), Some(-5)), None);
        assert_eq!(kind(Some(-5), None), Some(Difference::MovementWithoutOrder));
        assert_eq!(kind(Some(-5), Some(-4)), Some(Difference::MovementWithoutOrder));
        assert_eq!(kind(None, Some(-4)), Some(Difference::OrderWithoutMovement));
        assert_eq!(kind(Some(3), Some(4)), Some(Difference::OrderWithoutMovement));
    }

    #[test]
    fn a_counter_that_is_off_by_one_is_found() {
        assert_eq!(counter(&sku(), 10, 10), None);
        let finding = counter(&sku(), 11, 10).unwrap();
        assert_eq!((finding.difference, finding.subject.as_str()), (Difference::CounterDiffers, "COFFEE"));
    }
}
