//! Makes the checks: each reads its sides in parallel, as of one cut, one page of each stream at a time. So memory does
//! not grow with the books, and a change under way is seen on both sides or on neither.

mod accounts;
mod events;
mod payments;
mod sorted;
mod statements;
mod stock;

pub(super) use accounts::compare_accounts;
pub(super) use events::compare_events;
pub(super) use payments::compare_payments;
pub(super) use statements::compare_statements;
pub(super) use stock::{compare_counters, compare_movements};
