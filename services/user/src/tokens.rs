//! Access tokens: JWTs (RFC 7519) signed with Ed25519, and the key set that anybody verifies them with.

use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use primitives::{SessionId, UserId};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use service::Role;
use service::config::read_secret;

use crate::config::TokensConfig;
use crate::error::UserError;

const ISSUER: &str = "fournines";
const AUDIENCE: &str = "fournines-api";

/// Issues access tokens.
pub(crate) struct AccessTokens {
    key: EncodingKey,
    header: Header,
    lifetime_seconds: u32,
    jwks: String,
}

#[derive(Serialize)]
struct Claims {
    iss: &'static str,
    aud: &'static str,
    sub: UserId,
    role: &'static str,
    sid: SessionId,
    iat: i64,
    exp: i64,
    jti: String,
}

impl AccessTokens {
    /// Reads the keys.
    pub(crate) fn from_config(config: &TokensConfig) -> anyhow::Result<Self> {
        let path = &config.signing_key_file;
        let key = signing_key(path).with_context(|| format!("the signing key in {}", path.display()))?;
        let current = identified(Jwk::from_encoding_key(&key, Algorithm::EdDSA)?)?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid.clone_from(&current.common.key_id);
        let mut keys = vec![current];
        for path in &config.previous_public_key_files {
            keys.push(public_key(path).with_context(|| format!("the public key in {}", path.display()))?);
        }
        let jwks = serde_json::to_string(&JwkSet { keys })?;
        Ok(Self { key, header, lifetime_seconds: config.access_lifetime_seconds.get(), jwks })
    }

    /// The public keys, as the JSON text of a key set (RFC 7517).
    pub(crate) fn jwks(&self) -> &str {
        &self.jwks
    }

    /// How long a token is good, in seconds.
    pub(crate) fn lifetime_seconds(&self) -> u32 {
        self.lifetime_seconds
    }

    /// A token for a user in a session.
    pub(crate) fn issue(
        &self,
        user_id: UserId,
        role: Role,
        session_id: SessionId,
        now: Timestamp,
    ) -> Result<SecretString, UserError> {
        let claims = Claims {
            iss: ISSUER,
            aud: AUDIENCE,
            sub: user_id,
            role: role.name(),
            sid: session_id,
            iat: now.as_second(),
            exp: now.as_second() + i64::from(self.lifetime_seconds),
            jti: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()),
        };
        let token = jsonwebtoken::encode(&self.header, &claims, &self.key).map_err(UserError::internal)?;
        Ok(token.into())
    }
}

fn signing_key(path: &Path) -> anyhow::Result<EncodingKey> {
    let pem = read_secret(path)?;
    Ok(EncodingKey::from_ed_pem(pem.expose_secret().as_bytes())?)
}

fn public_key(path: &Path) -> anyhow::Result<Jwk> {
    let pem = std::fs::read(path)?;
    let key = DecodingKey::from_ed_pem(&pem)?;
    identified(Jwk::from_decoding_key(&key, Some(Algorithm::EdDSA))?)
}

/// The key with its RFC 7638 thumbprint for a name, so that every replica names it alike.
fn identified(mut key: Jwk) -> anyhow::Result<Jwk> {
    key.common.public_key_use = Some(PublicKeyUse::Signature);
    key.common.key_id = Some(key.thumbprint(ThumbprintHash::SHA256)?);
    Ok(key)
}
