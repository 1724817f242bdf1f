//! The rules of the ledger. Pure: no database, no clock.

mod levels;
mod movement;
mod posting;

pub use levels::{Levels, Shortage, StockRefusal};
pub use movement::{Movement, Reason};
pub use posting::Posting;

pub(crate) use levels::MAX_AVAILABLE;
