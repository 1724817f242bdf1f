//! The stock ledger. Each SKU has one counter, and one movement for every change of it:
//! the counter always equals the sum of its movements and is never negative. Both are written in one transaction, and
//! only here.

mod ledger;
mod movement;
mod schema;
mod store;

pub use ledger::{Ledger, StockRefusal};
pub use movement::{Movement, Reason};
pub use schema::MIGRATIONS;
pub use store::MovementDocument;
