//! Orders against payments, and payments against account entries.

use envelope::Error;
use mongo::Cut;
use primitives::OrderId;

use super::sorted::{Sorted, lowest};
use crate::domain::{Check, Comparison, checks};
use crate::upstreams::Upstreams;

/// The most payments of an order that were not declined, and the most entries of them. No shop has more.
const MAX_OF_ORDER: usize = 1_000;

/// Compares these orders with their payments and those with their entries, or all when there are none.
pub(in crate::app) async fn compare_payments(
    upstreams: &Upstreams,
    cut: Cut,
    orders: &[OrderId],
) -> Result<[Comparison; 2], Error> {
    let [mut paid, mut entered] = [Check::Payments, Check::Entries].map(|check| Comparison::new(check, cut.time()));
    let mut entries = Sorted::new(upstreams.payment.order_entries(cut, orders));
    let mut payments = Sorted::new(upstreams.payment.payments(cut, orders));
    let mut orders = Sorted::new(upstreams.order.orders(cut, orders));
    while let Some(id) = lowest([orders.peek().await?, payments.peek().await?, entries.peek().await?]) {
        let order = orders.next_of(&id).await?;
        let payments = payments.all_of(&id, MAX_OF_ORDER).await?;
        let entries = entries.all_of(&id, MAX_OF_ORDER).await?;
        paid.count(1);
        paid.found(checks::payments_of_order(order, &payments));
        entered.count(payments.len().max(usize::from(!entries.is_empty())));
        let entries: Vec<_> = entries.into_iter().map(|(_, entry)| entry).collect();
        for (payment, entries) in checks::entries_by_payment(&payments, &entries) {
            entered.found(checks::entries_of_payment(payment, &entries));
        }
    }
    Ok([paid, entered])
}
