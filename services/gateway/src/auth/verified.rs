//! Tokens that were verified a moment ago. A client uses one token for many requests, and checking an Ed25519 signature
//! costs over a hundred times as much as looking a digest up.
//!
//! Nothing is taken that would not be taken without this: the expiry is looked at every time, and each key set has a
//! memory of its own, so a key that is retired takes along what it verified as soon as the next key set is there.
//! Access tokens can't be revoked before they expire, here or elsewhere.

use std::time::Duration;

use moka::sync::Cache;
use service::Caller;
use sha2::{Digest as _, Sha256};

use super::token::Verified;

/// About 10 MB when full.
const MAX_TOKENS: u64 = 50_000;
/// How long a token is remembered at most; less when it expires before.
const KEEP: Duration = Duration::from_secs(60);

/// What stands for a token, so that no token lies in memory for longer than its request.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// Good tokens only, so nobody can fill it without having been given tokens.
#[derive(Debug)]
pub(super) struct VerifiedTokens(Cache<TokenDigest, Verified>);

impl VerifiedTokens {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MAX_TOKENS).time_to_live(KEEP).build())
    }

    /// The caller, when the token is known and still good.
    pub(super) fn get(&self, token: &TokenDigest) -> Option<Caller> {
        self.0.get(token).filter(|verified| !verified.has_expired()).map(|verified| verified.caller)
    }

    pub(super) fn insert(&self, token: TokenDigest, verified: Verified) {
        self.0.insert(token, verified);
    }
}
