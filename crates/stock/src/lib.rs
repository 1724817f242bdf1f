//! The stock ledger. Each SKU has one counter, and every change of it is part of a movement: the counter always equals
//! the sum of its movements and is never negative. Both are written in one transaction, and only here.

mod audit;
mod event;
mod ledger;
mod levels;
mod movement;
mod posting;
mod schema;
mod store;

pub use audit::{AuditedMovement, SkuPieces};
pub use ledger::Ledger;
pub use levels::{Levels, Shortage, StockRefusal};
pub use movement::{Movement, Reason};
pub use posting::Posting;
pub use schema::MIGRATIONS;
pub use store::MovementDocument;
