//! What statements are made of, and what must be equal. Pure.

pub mod checks;
mod line;
mod merchant;
mod span;
mod statement;

pub use line::{Kind, Line};
pub use merchant::MerchantDay;
pub use span::{Span, SpanError};
pub use statement::{Statement, StatementKey, Tally, Totals, by_customer};
