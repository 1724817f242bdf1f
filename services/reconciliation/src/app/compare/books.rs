//! The books of other services against each other.

use envelope::Error;
use jiff::Timestamp;
use mongo::Cut;
use primitives::{OrderId, PaymentId, Sku, UserId};

use super::Comparison;
use super::sorted::{Sorted, lowest};
use crate::domain::Check;
use crate::domain::checks::{self, Entry, EntryKind, Payment};
use crate::grpc::Books;

/// The most payments of an order that were not declined, and the most entries of them. More is no shop's doing.
const MAX_OF_ORDER: usize = 1_000;

/// Of what the books are compared.
#[derive(Debug, Default)]
pub(crate) struct Of {
    pub(crate) orders: Vec<OrderId>,
    pub(crate) skus: Vec<Sku>,
    pub(crate) users: Vec<UserId>,
    /// When the movements were made; whenever, without it.
    pub(crate) moved: Option<(Timestamp, Timestamp)>,
}

impl Comparison {
    /// Orders against payments, and payments against account entries.
    pub(crate) async fn of_payments(books: &Books, cut: Cut, orders: &[OrderId]) -> Result<[Self; 2], Error> {
        let [mut paid, mut entered] = [Check::Payments, Check::Entries].map(|check| Self::new(check, cut.time()));
        let mut entries = Sorted::new(books.order_entries(cut, orders));
        let mut payments = Sorted::new(books.payments(cut, orders));
        let mut orders = Sorted::new(books.orders(cut, orders));
        while let Some(id) = lowest([orders.peek().await?, payments.peek().await?, entries.peek().await?]) {
            let order = orders.next_of(&id).await?;
            let payments = payments.all_of(&id, MAX_OF_ORDER).await?;
            let entries = entries.all_of(&id, MAX_OF_ORDER).await?;
            paid.count(1);
            paid.found(checks::payments_of_order(order, &payments));
            entered.count(payments.len().max(usize::from(!entries.is_empty())));
            let entries: Vec<_> = entries.into_iter().map(|(_, entry)| entry).collect();
            for (payment, entries) in by_payment(&payments, &entries) {
                entered.found(checks::entries_of_payment(payment, &entries));
            }
        }
        Ok([paid, entered])
    }

    /// Order lines against stock movements.
    pub(crate) async fn of_movements(books: &Books, cut: Cut, of: &Of) -> Result<Self, Error> {
        let mut comparison = Self::new(Check::Movements, cut.time());
        let mut movements = Sorted::new(books.movements(cut, of.moved));
        let mut moved = Sorted::new(books.moved_pieces(cut, &of.orders, of.moved));
        while let Some(id) = lowest([movements.peek().await?, moved.peek().await?]) {
            let movement = movements.next_of(&id).await?;
            let lines = moved.next_of(&id).await?;
            comparison.count(1);
            comparison.found(checks::movement(id, movement.as_ref(), lines.map(|lines| lines.pieces)));
        }
        Ok(comparison)
    }

    /// Stock counters against the sums of their movements.
    pub(crate) async fn of_counters(books: &Books, cut: Cut, skus: &[Sku]) -> Result<Self, Error> {
        let mut comparison = Self::new(Check::Counters, cut.time());
        let mut sums = Sorted::new(books.movement_sums(cut, skus));
        let mut counters = Sorted::new(books.counters(cut, skus));
        while let Some(sku) = lowest([counters.peek().await?, sums.peek().await?]) {
            // Neither is there before the first piece has come, or without a product.
            let pieces = counters.next_of(&sku).await?.map_or(0, |counter| counter.pieces);
            let moved = sums.next_of(&sku).await?.map_or(0, |sum| sum.pieces);
            comparison.count(1);
            comparison.found(checks::counter(&sku, pieces, moved));
        }
        Ok(comparison)
    }

    /// Accounts against their entries.
    pub(crate) async fn of_accounts(books: &Books, cut: Cut, users: &[UserId]) -> Result<Self, Error> {
        let mut comparison = Self::new(Check::Accounts, cut.time());
        let mut entries = Sorted::new(books.account_entries(cut, users));
        let mut accounts = Sorted::new(books.accounts(cut, users));
        while let Some(owner) = lowest([accounts.peek().await?, entries.peek().await?]) {
            let account = accounts.next_of(&owner).await?;
            let mut last: Option<Entry> = None;
            // One by one: an account may have any number of them.
            while let Some(entry) = entries.next_of(&owner).await? {
                comparison.count(1);
                comparison.found(checks::chain(last.as_ref(), &entry));
                last = Some(entry);
            }
            comparison.count(1);
            comparison.found(checks::account(owner, account.as_ref(), last.as_ref()));
        }
        Ok(comparison)
    }
}

/// The entries of each payment of an order, and those that name a payment which the order does not have.
fn by_payment(payments: &[Payment], entries: &[Entry]) -> Vec<(Option<Payment>, Vec<Entry>)> {
    let of = |entry: &Entry| -> Option<PaymentId> {
        match entry.kind {
            EntryKind::Deposit => None,
            EntryKind::Payment(payment) | EntryKind::Refund(payment) => Some(payment),
        }
    };
    let known = |entry: &Entry| payments.iter().any(|payment| of(entry) == Some(payment.id));
    let of_payment = |payment: &Payment| {
        let entries = entries.iter().filter(|entry| of(entry) == Some(payment.id));
        (Some(*payment), entries.copied().collect())
    };
    let mut grouped: Vec<_> = payments.iter().map(of_payment).collect();
    let strays: Vec<_> = entries.iter().filter(|entry| !known(entry)).copied().collect();
    if !strays.is_empty() {
        grouped.push((None, strays));
    }
    grouped
}
