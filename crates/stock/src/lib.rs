//! The stock ledger. Each SKU has one counter, and every change of it is part of a movement: the counter always equals
//! the sum of its movements and is never negative. Both are written in one transaction, and only here.
//!
//! `rules` decides and is pure; `store` reads and writes the two collections and knows no rule but the condition that
//! guards each counter.

mod audit;
mod rules;
mod store;

pub use audit::{AuditedMovement, SkuPieces};
pub use rules::{Levels, Movement, Posting, Reason, Shortage, StockRefusal};
pub use store::{Ledger, MIGRATIONS, MovementDocument};
