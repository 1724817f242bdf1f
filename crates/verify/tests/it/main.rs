//! The check on a real MongoDB: right books, books with planted faults, and books that are being written to.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod books;
mod faults;
mod live;
mod movements;
