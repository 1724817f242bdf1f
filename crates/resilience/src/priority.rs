//! What goes first when not everything can be served.

use std::fmt;

/// How much a request matters; the lowest is refused first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Looking around: the buyer can look again.
    Browse,
    /// Making or changing an order: refused, it is a lost sale.
    Order,
    /// Paying: refused, it leaves a buyer who doesn't know whether money moved.
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
    fn paying_goes_before_ordering_and_ordering_before_browsing() {
        assert!(Priority::Pay > Priority::Order && Priority::Order > Priority::Browse);
        assert!(Priority::ALL.is_sorted());
        assert_eq!(Priority::ALL.map(Priority::name), ["browse", "order", "pay"]);
    }
}
