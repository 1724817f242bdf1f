//! The checks: what must be equal. Each compares what belongs together as of a cut; callers pass only what has settled.

mod accounts;
mod events;
mod orders;
mod statements;
mod stock;

pub use accounts::{Account, AccountEntry, EntryKind, account, chain, entries_by_payment, entries_of_payment};
pub use events::{AppliedEffect, KeptEvent, events_and_effects};
pub use orders::{Order, OrderStatus, Payment, PaymentStatus, payments_of_order};
pub use statements::{merchant_day, statement};
pub use stock::{Movement, counter, movement};
