//! A cache of recently verified tokens. A client uses one token for many requests, and verifying an Ed25519 signature
//! costs over a hundred times as much as looking up a digest.
//!
//! The cache accepts no token that verification would reject: it checks the expiry on each lookup, and each key set has
//! its own cache, so retiring a key drops the tokens that it verified. Access tokens can't be revoked before they
//! expire, here or elsewhere.

use std::time::Duration;

use moka::sync::Cache;
use service::Caller;
use sha2::{Digest as _, Sha256};

use super::token::Verified;

/// About 10 MB when full.
const MAX_TOKENS: u64 = 50_000;
/// How long a token is cached at most.
const KEEP: Duration = Duration::from_secs(60);

/// The digest of a token. Only digests are cached, so that no token outlives its request in memory.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// Holds valid tokens only, so that it can't be filled by forging tokens.
#[derive(Debug)]
pub(super) struct VerifiedTokens(Cache<TokenDigest, Verified>);

impl VerifiedTokens {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MAX_TOKENS).time_to_live(KEEP).build())
    }

    /// The caller, if the token is cached and has not expired.
    pub(super) fn get(&self, token: &TokenDigest) -> Option<Caller> {
        self.0.get(token).filter(|verified| !verified.has_expired()).map(|verified| verified.caller)
    }

    pub(super) fn insert(&self, token: TokenDigest, verified: Verified) {
        self.0.insert(token, verified);
    }
}
