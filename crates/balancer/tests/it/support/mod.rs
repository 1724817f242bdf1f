//! Support for the tests.

// Shared with the end-to-end tests, where it is part of a public library.
#[allow(unreachable_pub)]
#[path = "../../../../../tests/src/authority.rs"]
pub(crate) mod authority;
pub(crate) mod callers;
pub(crate) mod dns_server;
pub(crate) mod replica;
