//! The priorities of requests under overload.

use std::fmt;

/// How important a request is; the lowest is refused first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Browsing: the buyer can try again.
    Browse,
    /// Placing or changing an order: a refusal may lose the sale.
    Order,
    /// Paying: a refusal leaves the buyer unsure whether money moved.
    Pay,
}

impl Priority {
    /// All, lowest first.
    pub const ALL: [Self; 3] = [Self::Browse, Self::Order, Self::Pay];

    /// The name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Browse => "browse",
            Self::Order => "order",
            Self::Pay => "pay",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payments_rank_above_orders_and_orders_above_browsing() {
        assert!(Priority::Pay > Priority::Order && Priority::Order > Priority::Browse);
        assert!(Priority::ALL.is_sorted());
        assert_eq!(Priority::ALL.map(Priority::name), ["browse", "order", "pay"]);
    }
}
