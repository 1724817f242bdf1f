//! The use cases, one a file.

mod adjust_stock;
mod change_product;
mod import_products;
mod list_movements;
mod list_products;
mod show_product;
mod show_stock;
mod watch_prices;

use primitives::Currency;
use service::page::PageTokens;

use crate::store::Store;

/// The items of a page, and the token of the next page; empty on the last page.
type Page<T> = (Vec<T>, String);

/// The dependencies of all use cases. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    store: Store,
    /// The currency of all prices.
    pub(crate) currency: Currency,
    tokens: PageTokens,
}

impl App {
    pub(crate) fn new(store: Store, currency: Currency, tokens: PageTokens) -> Self {
        Self { store, currency, tokens }
    }
}
