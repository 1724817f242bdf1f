//! Sessions and their tokens. A session is the family of the refresh tokens that descend from one login.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use primitives::{SessionId, UserId};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

const TOKEN_BYTES: usize = 32;

/// 256 random bits, in base64url. The database stores only their hash.
pub(crate) struct RefreshToken(SecretString);

impl RefreshToken {
    /// A new token, from the thread's cryptographically secure generator, which the system seeds.
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
    /// The hash of a text that a client presents as a token. If it never was one, no stored token has this hash.
    pub(crate) fn of(presented: &SecretString) -> Self {
        Self(Sha256::digest(presented.expose_secret().as_bytes()).into())
    }
}

/// A refresh token as it is stored.
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

/// The decision about a refresh token that a client presents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// Mark it as used and issue the next one.
    Rotate,
    /// It was used before, so two parties hold it: end its session.
    EndSession,
    /// It is unknown or expired, or its session has ended.
    Refuse,
}

/// A refresh token that a client presents, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PresentedToken {
    /// When it expires.
    pub(crate) expires_at: Timestamp,
    /// Whether it was used before.
    pub(crate) used: bool,
}

/// Decides about a presented token; `None` is an unknown one. A used token ends its session even after it has expired.
pub(crate) fn decide_rotation(token: Option<PresentedToken>, now: Timestamp) -> Rotation {
    match token {
        Some(token) if token.used => Rotation::EndSession,
        Some(token) if token.expires_at > now => Rotation::Rotate,
        _ => Rotation::Refuse,
    }
}

/// Why a session ended before it expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// The user logged out.
    Logout,
    /// One of its refresh tokens was used twice.
    TokenReuse,
}

impl EndReason {
    /// Every reason.
    pub(crate) const ALL: [Self; 2] = [Self::Logout, Self::TokenReuse];

    /// The name in the database.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::TokenReuse => "token_reuse",
        }
    }
}

/// The result of a login or a refresh.
pub(crate) struct TokenPair {
    pub(crate) access_token: SecretString,
    pub(crate) refresh_token: SecretString,
    /// The lifetime of the access token, in seconds.
    pub(crate) expires_in: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_rotates_once_and_before_it_expires() {
        let end = Timestamp::UNIX_EPOCH + Duration::from_secs(60);
        let before = end - Duration::from_millis(1);
        let decide = |used, now| decide_rotation(Some(PresentedToken { expires_at: end, used }), now);
        assert_eq!(decide(false, before), Rotation::Rotate);
        assert_eq!(decide(false, end), Rotation::Refuse);
        assert_eq!(decide_rotation(None, before), Rotation::Refuse);
        for now in [before, end] {
            assert_eq!(decide(true, now), Rotation::EndSession, "{now}");
        }
    }

    #[test]
    fn a_token_is_256_bits_and_no_two_are_the_same() {
        let (first, second) = (RefreshToken::generate(), RefreshToken::generate());
        assert_ne!(first.hash(), second.hash());
        assert_eq!(RefreshTokenHash::of(&first.0), first.hash());
        assert_eq!(URL_SAFE_NO_PAD.decode(first.into_secret().expose_secret()).unwrap().len(), TOKEN_BYTES);
    }
}
