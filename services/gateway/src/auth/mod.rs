//! Who calls: access tokens, verified here with the public keys of the user service.

mod keys;
mod token;
mod verified;

pub(crate) use keys::{Keys, PublicKeys, no_keys_yet};
pub(crate) use token::bearer_token;
