//! What the books say, as of a cut.

use futures::stream::BoxStream;
use mongo::{Cut, to_bson_uuid};
use mongodb::bson::{Document, doc};
use primitives::{OrderId, UserId};

use super::documents::{AccountDocument, EntryDocument, PaymentDocument};
use super::{ACCOUNTS, ENTRIES, PAYMENTS, Store, account_key};
use crate::domain::{Account, Entry, Payment, Status};

type Pages<T> = BoxStream<'static, Result<Vec<T>, mongo::Error>>;

impl Store {
    /// Payments that were not declined, of these orders or of all when there are none; by the order's id.
    pub(crate) fn audit_payments(&self, cut: Cut, orders: &[OrderId]) -> Pages<Payment> {
        let mut filter = of_orders(orders);
        filter.insert("status", doc! { "$ne": Status::Declined.name() });
        let pipeline = vec![doc! { "$match": filter }, doc! { "$sort": { "orderId": 1, "_id": -1 } }];
        self.db.pages::<PaymentDocument, _>(Some(cut), PAYMENTS, pipeline, mongo::PAGE)
    }

    /// Entries that payments of these orders made, or of all when there are none; by the order's id.
    pub(crate) fn audit_order_entries(&self, cut: Cut, orders: &[OrderId]) -> Pages<Entry> {
        let mut filter = of_orders(orders);
        if orders.is_empty() {
            // As the index has it.
            filter.insert("orderId", doc! { "$exists": true });
        }
        let pipeline = vec![doc! { "$match": filter }, doc! { "$sort": { "orderId": 1 } }];
        self.db.pages::<EntryDocument, _>(Some(cut), ENTRIES, pipeline, mongo::PAGE)
    }

    /// Entries of these accounts, or of all when there are none; by account and number.
    pub(crate) fn audit_account_entries(&self, cut: Cut, users: &[UserId]) -> Pages<Entry> {
        let in_order = doc! { "$sort": { "accountId": 1, "sequence": 1 } };
        let pipeline = vec![doc! { "$match": of_users("accountId", users) }, in_order];
        self.db.pages::<EntryDocument, _>(Some(cut), ENTRIES, pipeline, mongo::PAGE)
    }

    /// These accounts, or all when there are none; by the user's id.
    pub(crate) fn audit_accounts(&self, cut: Cut, users: &[UserId]) -> Pages<Account> {
        let pipeline = vec![doc! { "$match": of_users("_id", users) }, doc! { "$sort": { "_id": 1 } }];
        self.db.pages::<AccountDocument, _>(Some(cut), ACCOUNTS, pipeline, mongo::PAGE)
    }
}

fn of_orders(orders: &[OrderId]) -> Document {
    if orders.is_empty() {
        return Document::new();
    }
    let ids: Vec<_> = orders.iter().map(|id| to_bson_uuid(id.as_uuid())).collect();
    doc! { "orderId": { "$in": ids } }
}

fn of_users(field: &str, users: &[UserId]) -> Document {
    if users.is_empty() {
        return Document::new();
    }
    let ids: Vec<_> = users.iter().map(|id| account_key(*id)).collect();
    doc! { field: { "$in": ids } }
}
