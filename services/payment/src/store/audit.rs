//! The books of the payment service as of a cut.

use mongo::{Cut, Pages, one_of, to_bson_uuid};
use mongodb::bson::{Document, doc};
use primitives::{OrderId, UserId};

use super::documents::{AccountDocument, EntryDocument, PaymentDocument};
use super::{ACCOUNTS, ENTRIES, PAYMENTS, Store, account_key};
use crate::domain::{Account, Entry, Payment, Status};

impl Store {
    /// Payments that were not declined, by order id: of these orders, or of all if none are given.
    pub(crate) fn audit_payments(&self, cut: Cut, orders: &[OrderId]) -> Pages<Payment> {
        let mut filter = of_orders(orders);
        filter.insert("status", doc! { "$ne": Status::Declined.name() });
        let pipeline = vec![doc! { "$match": filter }, doc! { "$sort": { "orderId": 1, "_id": -1 } }];
        self.db.pages::<PaymentDocument, _>(Some(cut), PAYMENTS, pipeline, mongo::PAGE)
    }

    /// Account entries of payments, by order id: of these orders, or of all if none are given.
    pub(crate) fn audit_order_entries(&self, cut: Cut, orders: &[OrderId]) -> Pages<Entry> {
        let mut filter = of_orders(orders);
        if orders.is_empty() {
            // The filter of the partial index.
            filter.insert("orderId", doc! { "$exists": true });
        }
        let pipeline = vec![doc! { "$match": filter }, doc! { "$sort": { "orderId": 1 } }];
        self.db.pages::<EntryDocument, _>(Some(cut), ENTRIES, pipeline, mongo::PAGE)
    }

    /// Entries by account and sequence: of these accounts, or of all if none are given.
    pub(crate) fn audit_account_entries(&self, cut: Cut, users: &[UserId]) -> Pages<Entry> {
        let in_order = doc! { "$sort": { "accountId": 1, "sequence": 1 } };
        let pipeline = vec![doc! { "$match": of_users("accountId", users) }, in_order];
        self.db.pages::<EntryDocument, _>(Some(cut), ENTRIES, pipeline, mongo::PAGE)
    }

    /// Accounts by user id: these, or all if none are given.
    pub(crate) fn audit_accounts(&self, cut: Cut, users: &[UserId]) -> Pages<Account> {
        let pipeline = vec![doc! { "$match": of_users("_id", users) }, doc! { "$sort": { "_id": 1 } }];
        self.db.pages::<AccountDocument, _>(Some(cut), ACCOUNTS, pipeline, mongo::PAGE)
    }
}

fn of_orders(orders: &[OrderId]) -> Document {
    one_of("orderId", orders.iter().map(|id| to_bson_uuid(id.as_uuid())))
}

fn of_users(field: &str, users: &[UserId]) -> Document {
    one_of(field, users.iter().map(|id| account_key(*id)))
}
