//! Authentication: access tokens, verified with the public keys of the user service.

mod jws;
mod keys;
mod token;
mod verified;

pub(crate) use keys::{Keys, PublicKeys, no_keys_yet};
pub(crate) use token::bearer_token;
