//! What the tests need around them.

pub(crate) mod callers;
pub(crate) mod dns_server;
pub(crate) mod replica;
