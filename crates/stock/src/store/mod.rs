//! The two collections of the ledger: reads, the writes within the caller's transaction, and the events of movements.

mod documents;
mod event;
mod ledger;
mod schema;

pub use documents::MovementDocument;
pub use ledger::Ledger;
pub use schema::MIGRATIONS;

pub(crate) const LEVELS: &str = "stock_levels";
pub(crate) const MOVEMENTS: &str = "stock_movements";
