//! What accounts and payments are, and the rules that they follow. Pure: no I/O and no clock.

mod account;
mod payment;

pub(crate) use account::{Account, Balance, Entry, EntryKind, MAX_DEPOSIT, Posting, PostingError};
pub(crate) use payment::{Method, Order, Payment, Status};
