//! What the tests need around them.

// The same as in the end-to-end tests, of whose library it is a public part.
#[allow(unreachable_pub)]
#[path = "../../../../../tests/src/authority.rs"]
pub(crate) mod authority;
pub(crate) mod callers;
pub(crate) mod dns_server;
pub(crate) mod replica;
