//! The topics: one for each kind of aggregate.

/// A topic of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Changes of orders; keyed by the order's id.
    Orders,
    /// Changes of payments and accounts; keyed by the payment's id, or the user's.
    Payments,
    /// Movements of stock; keyed by the SKU.
    Stock,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 3] = [Self::Orders, Self::Payments, Self::Stock];

    /// Its name at the broker, such as `fournines.order.events.v1`.
    pub fn name(self, prefix: &str) -> String {
        let aggregate = match self {
            Self::Orders => "order",
            Self::Payments => "payment",
            Self::Stock => "stock",
        };
        format!("{prefix}.{aggregate}.events.v1")
    }

    /// The topic of its dead letters, such as `fournines.order.events.v1.dlt`.
    pub fn dead_letters(self, prefix: &str) -> String {
        format!("{}.dlt", self.name(prefix))
    }
}
