//! Who decided about the risk of an order, and the rules that the order service can apply by itself.

use ids::Money;

/// An order that exists was accepted; what is kept is by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Risk {
    pub(crate) source: RiskSource,
}

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RiskSource {
    /// The risk service.
    Service,
    /// The rules below.
    LocalRules,
}

/// The rules that need nobody else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalRules {
    /// The largest total, in minor units.
    pub(crate) max_order_amount: Option<i64>,
}

impl LocalRules {
    /// The verdict; `None` refuses the order.
    pub(crate) fn assess(self, total: Money) -> Option<Risk> {
        let accepted = self.max_order_amount.is_none_or(|max| total.amount() <= max);
        accepted.then_some(Risk { source: RiskSource::LocalRules })
    }
}

#[cfg(test)]
mod tests {
    use ids::Currency;

    use super::*;

    #[test]
    fn an_order_above_the_limit_is_refused() {
        let total = |amount| Money::new(amount, Currency::USD);
        assert!(LocalRules { max_order_amount: None }.assess(total(i64::MAX)).is_some());
        assert!(LocalRules { max_order_amount: Some(100) }.assess(total(100)).is_some());
        assert!(LocalRules { max_order_amount: Some(100) }.assess(total(101)).is_none());
    }
}
