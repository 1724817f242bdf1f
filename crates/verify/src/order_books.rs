//! An order with its payments and their account entries.

use mongodb::bson::Uuid;

use crate::documents::{Order, OrderEntry, Payment};

/// Everything that is known about one order.
pub(crate) struct OrderBooks {
    /// `None` for payments and entries that should name an order and don't.
    pub(crate) id: Option<Uuid>,
    pub(crate) order: Option<Order>,
    /// Without the declined ones.
    pub(crate) payments: Vec<Payment>,
    pub(crate) entries: Vec<OrderEntry>,
}

impl OrderBooks {
    /// How findings name the order.
    pub(crate) fn subject(&self) -> String {
        self.id.map_or_else(|| "no order".to_owned(), |id| format!("order {id}"))
    }
}
