//! Accounts and payments, and the rules that they follow. Pure: no I/O; callers pass the time.

mod account;
pub(crate) mod charge;
mod event;
mod method;
mod payment;
pub(crate) mod refund;
mod refusal;
mod schedule;
pub(crate) mod settlement;
mod transition;

pub(crate) use account::{Account, Balance, Entry, EntryKind, Ledger, Posted, Posting};
pub(crate) use event::{Event, Outcome};
pub(crate) use method::{Means, Method};
pub(crate) use payment::{Order, Payment, Status};
pub(crate) use refusal::Refusal;
pub(crate) use settlement::{Charge, ChargeStatus};
pub(crate) use transition::{Step, Transition};
