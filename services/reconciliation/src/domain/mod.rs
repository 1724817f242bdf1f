//! What statements are made of, and what must be equal. Pure.

pub mod checks;
mod compared;
mod exception;
mod line;
mod merchant;
mod run;
mod span;
mod statement;

pub use compared::{Keyed, MovedPieces, SkuPieces, TimedEffect, TimedEvent};
pub use exception::{Exception, Healing, Publisher, Remedy};
pub use line::{Kind, Line};
pub use merchant::MerchantDay;
pub use run::{Check, CheckResult, Run, RunKind, RunStatus};
pub use span::{Span, SpanError};
pub use statement::{Statement, StatementKey, Tally, Totals, by_customer};
