//! Sessions and the tokens that stand for them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use primitives::{SessionId, UserId};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

const TOKEN_BYTES: usize = 32;

/// 256 random bits, as base64url for the holder. The database knows the hash alone.
pub(crate) struct RefreshToken(SecretString);

impl RefreshToken {
    /// From the thread's generator, which is seeded by the system and cryptographically secure.
    pub(crate) fn generate() -> Self {
        Self(URL_SAFE_NO_PAD.encode(rand::random::<[u8; TOKEN_BYTES]>()).into())
    }

    pub(crate) fn hash(&self) -> RefreshTokenHash {
        RefreshTokenHash::of(&self.0)
    }

    pub(crate) fn into_secret(self) -> SecretString {
        self.0
    }
}

/// SHA-256 of a refresh token. The token has too many bits to be guessed, so the hash needs neither salt nor work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefreshTokenHash(pub(crate) [u8; TOKEN_BYTES]);

impl RefreshTokenHash {
    /// The hash of whatever a client presents; a text that was never a token has a hash that nobody has stored.
    pub(crate) fn of(presented: &SecretString) -> Self {
        Self(Sha256::digest(presented.expose_secret().as_bytes()).into())
    }
}

/// A refresh token as it is known to us: one member of the family that its session is.
#[derive(Debug, Clone)]
pub(crate) struct RefreshTokenRecord {
    pub(crate) hash: RefreshTokenHash,
    pub(crate) session_id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

impl RefreshTokenRecord {
    pub(crate) fn new(
        token: &RefreshToken,
        session_id: SessionId,
        user_id: UserId,
        now: Timestamp,
        lifetime: Duration,
    ) -> Self {
        Self { hash: token.hash(), session_id, user_id, created_at: now, expires_at: now + lifetime }
    }
}

/// What a login or a refresh gives.
pub(crate) struct TokenPair {
    pub(crate) access_token: SecretString,
    pub(crate) refresh_token: SecretString,
    /// Of the access token, in seconds.
    pub(crate) expires_in: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_256_bits_and_no_two_are_the_same() {
        let (first, second) = (RefreshToken::generate(), RefreshToken::generate());
        assert_ne!(first.hash(), second.hash());
        assert_eq!(RefreshTokenHash::of(&first.0), first.hash());
        assert_eq!(URL_SAFE_NO_PAD.decode(first.into_secret().expose_secret()).unwrap().len(), TOKEN_BYTES);
    }
}
