//! What the events of an incremental run were about, and which checks follow from that.

use std::collections::BTreeSet;

use primitives::{OrderId, ParseError, Sku, UserId};

use super::line::LineKind;
use super::run::Check;

/// The ids that a line of a statement refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineReference {
    /// What happened.
    pub kind: LineKind,
    /// The order, payment, account entry or SKU that it is about.
    pub subject: String,
    /// The customer, if there is one.
    pub user: Option<UserId>,
    /// The order, if there is one.
    pub order: Option<OrderId>,
}

/// The orders, accounts and SKUs that events were about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Orders, those of payments and account entries included.
    pub orders: BTreeSet<OrderId>,
    /// The owners of accounts.
    pub users: BTreeSet<UserId>,
    /// SKUs.
    pub skus: BTreeSet<Sku>,
}

impl Touched {
    /// The most ids of each kind that one run compares; with more, a shorter window is compared.
    pub const MAX: usize = 50_000;

    /// Adds the ids that a line's event touches: its order, whatever happened; a SKU if stock moved; an account if
    /// its balance changed.
    ///
    /// # Errors
    /// When the subject of a movement is no SKU.
    pub fn add(&mut self, line: LineReference) -> Result<(), ParseError> {
        self.orders.extend(line.order);
        match line.kind {
            LineKind::StockMoved => {
                self.skus.insert(line.subject.parse()?);
            }
            LineKind::AccountDeposit | LineKind::AccountPayment | LineKind::AccountRefund => {
                self.users.extend(line.user);
            }
            LineKind::OrderPlaced | LineKind::OrderPaid | LineKind::OrderCancelled | LineKind::OrderExpired => {}
            LineKind::PaymentCaptured | LineKind::PaymentDeclined | LineKind::PaymentRefunded => {}
        }
        Ok(())
    }

    /// Whether there are too many ids of a kind for one run.
    pub fn is_too_many(&self) -> bool {
        self.orders.len().max(self.users.len()).max(self.skus.len()) > Self::MAX
    }

    /// Whether an incremental run makes a check. Without an id it would compare everything. As long as not all events
    /// were applied, it is not known which orders share a movement, so movements are left to the daily run.
    pub fn calls_for(&self, check: Check, all_events_applied: bool) -> bool {
        match check {
            Check::Payments | Check::Entries => !self.orders.is_empty(),
            Check::Movements => !self.orders.is_empty() && all_events_applied,
            Check::Counters => !self.skus.is_empty(),
            Check::Accounts => !self.users.is_empty(),
            Check::Events | Check::Statements => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: LineKind, subject: &str) -> LineReference {
        LineReference { kind, subject: subject.into(), user: Some(UserId::new()), order: Some(OrderId::new()) }
    }

    fn touched(lines: impl IntoIterator<Item = LineReference>) -> Touched {
        let mut touched = Touched::default();
        for line in lines {
            touched.add(line).unwrap();
        }
        touched
    }

    #[test]
    fn every_event_touches_its_order() {
        for kind in LineKind::ALL {
            let line = line(kind, "COFFEE");
            assert_eq!(touched([line.clone()]).orders, line.order.into_iter().collect());
        }
        assert!(touched([LineReference { order: None, ..line(LineKind::AccountDeposit, "e") }]).orders.is_empty());
    }

    #[test]
    fn movements_touch_skus_and_entries_touch_accounts() {
        for kind in LineKind::ALL {
            let line = line(kind, "COFFEE");
            let found = touched([line.clone()]);
            let is_entry = kind.name().starts_with("account_");
            assert_eq!(found.users, line.user.filter(|_| is_entry).into_iter().collect(), "{kind:?}");
            assert_eq!(found.skus.len(), usize::from(kind == LineKind::StockMoved), "{kind:?}");
        }
        assert!(Touched::default().add(line(LineKind::StockMoved, "")).is_err());
    }

    #[test]
    fn the_bound_holds_for_each_kind_of_id() {
        let users = |count: usize| Touched { users: (0..count).map(|_| UserId::new()).collect(), ..Touched::default() };
        assert!(!users(Touched::MAX).is_too_many());
        assert!(users(Touched::MAX + 1).is_too_many());
    }

    #[test]
    fn only_checks_that_have_ids_are_made() {
        let nothing = Touched::default();
        let all = Touched {
            orders: [OrderId::new()].into(),
            users: [UserId::new()].into(),
            skus: ["COFFEE".parse().unwrap()].into(),
        };
        let checks = [Check::Payments, Check::Entries, Check::Movements, Check::Counters, Check::Accounts];
        assert!(checks.iter().all(|check| !nothing.calls_for(*check, true)));
        assert!(checks.iter().all(|check| all.calls_for(*check, true)));
        assert!(!all.calls_for(Check::Events, true) && !all.calls_for(Check::Statements, true));
    }

    #[test]
    fn movements_are_left_out_while_events_have_not_been_applied() {
        let touched = Touched { orders: [OrderId::new()].into(), ..Touched::default() };
        assert!(touched.calls_for(Check::Payments, false));
        assert!(!touched.calls_for(Check::Movements, false));
    }
}
