//! Access tokens: JWTs (RFC 7519) signed with Ed25519, and the key set that verifies them.

use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use jiff::Timestamp;
use primitives::{SessionId, UserId};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use service::Role;
use service::config::read_secret;
use sha2::{Digest as _, Sha256};

use crate::config::TokensConfig;
use crate::error::UserError;

const ISSUER: &str = "fournines";
const AUDIENCE: &str = "fournines-api";
/// EdDSA with Ed25519 (RFC 8037).
const ALGORITHM: &str = "EdDSA";

/// Issues access tokens.
pub(crate) struct AccessTokens {
    key: SigningKey,
    /// The header of every token, base64url.
    header: String,
    lifetime_seconds: u32,
    jwks: String,
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'static str,
    alg: &'static str,
    kid: &'a str,
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

/// A JSON Web Key Set (RFC 7517).
#[derive(Serialize)]
struct KeySet {
    keys: Vec<PublicKey>,
}

/// An Ed25519 public key as a JSON Web Key (RFC 8037).
#[derive(Serialize)]
struct PublicKey {
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: String,
    kty: &'static str,
    crv: &'static str,
    x: String,
}

impl PublicKey {
    /// The key, with its RFC 7638 thumbprint as the id, so that all replicas use the same id.
    fn new(key: &VerifyingKey) -> Self {
        let (kty, crv, x) = ("OKP", "Ed25519", URL_SAFE_NO_PAD.encode(key.as_bytes()));
        // The required members in lexicographic order, without white space.
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}"}}"#));
        Self { usage: "sig", alg: ALGORITHM, kid: URL_SAFE_NO_PAD.encode(thumbprint), kty, crv, x }
    }
}

impl AccessTokens {
    /// Reads the keys.
    pub(crate) fn from_config(config: &TokensConfig) -> anyhow::Result<Self> {
        let path = &config.signing_key_file;
        let key = signing_key(path).with_context(|| format!("the signing key in {}", path.display()))?;
        let mut previous = Vec::new();
        for path in &config.previous_public_key_files {
            previous.push(public_key(path).with_context(|| format!("the public key in {}", path.display()))?);
        }
        Ok(Self::new(key, &previous, config.access_lifetime_seconds.get())?)
    }

    fn new(key: SigningKey, previous: &[VerifyingKey], lifetime_seconds: u32) -> Result<Self, serde_json::Error> {
        let current = PublicKey::new(&key.verifying_key());
        let header = encode_json(&Header { typ: "JWT", alg: ALGORITHM, kid: &current.kid })?;
        let keys = std::iter::once(current).chain(previous.iter().map(PublicKey::new)).collect();
        let jwks = serde_json::to_string(&KeySet { keys })?;
        Ok(Self { key, header, lifetime_seconds, jwks })
    }

    /// The public keys, as the JSON text of a key set (RFC 7517).
    pub(crate) fn jwks(&self) -> &str {
        &self.jwks
    }

    /// The lifetime of a token, in seconds.
    pub(crate) fn lifetime_seconds(&self) -> u32 {
        self.lifetime_seconds
    }

    /// Issues a token for a user in a session.
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
        Ok(self.sign(&claims).map_err(UserError::internal)?.into())
    }

    /// The claims as a JSON Web Signature in compact form (RFC 7515).
    fn sign(&self, claims: &Claims) -> Result<String, serde_json::Error> {
        let signed = format!("{}.{}", self.header, encode_json(claims)?);
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()).to_bytes());
        Ok(format!("{signed}.{signature}"))
    }
}

fn encode_json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(value)?))
}

fn signing_key(path: &Path) -> anyhow::Result<SigningKey> {
    let pem = read_secret(path)?;
    Ok(SigningKey::from_pkcs8_pem(pem.expose_secret())?)
}

fn public_key(path: &Path) -> anyhow::Result<VerifyingKey> {
    let pem = std::fs::read_to_string(path)?;
    Ok(VerifyingKey::from_public_key_pem(&pem)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8037, appendix A, as `openssl genpkey -algorithm ed25519` writes keys.
    const PRIVATE_PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    const PUBLIC_PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

    /// The token and the key set that `jsonwebtoken` 11 made of the same key and claims.
    const ISSUED_BEFORE: &str = concat!(
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSIsImtpZCI6ImtQcktfcW14VldhWVZBOXd3QkY2SXVvM3ZWeno3VHhIQ1R3WEJ5Z3JTNGsifQ.",
        "eyJpc3MiOiJmb3VybmluZXMiLCJhdWQiOiJmb3VybmluZXMtYXBpIiwic3ViIjoiMDE5MGI1YTAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAw",
        "MDAxIiwicm9sZSI6ImN1c3RvbWVyIiwic2lkIjoiMDE5MGI1YTAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAyIiwiaWF0IjoxNzY3MjI1",
        "NjAwLCJleHAiOjQxMDI0NDQ4MDAsImp0aSI6IkJ3Y0hCd2NIQndjSEJ3Y0hCd2NIQncifQ.gA2rVr7zj3q27NHKdtdcXJDo0JkIqe8oTQE58",
        "3cXxXDixFahR1Tv9flXqurr7qoBqfBA5VB-ni_IJM9MbfWrAA",
    );
    const KEY_SET_BEFORE: &str = concat!(
        r#"{"keys":[{"use":"sig","alg":"EdDSA","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","kty":"OKP","#,
        r#""crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    );

    #[test]
    fn tokens_and_key_set_are_the_same_bytes_as_before() {
        let tokens = AccessTokens::new(SigningKey::from_pkcs8_pem(PRIVATE_PEM).unwrap(), &[], 900).unwrap();
        let claims = Claims {
            iss: ISSUER,
            aud: AUDIENCE,
            sub: "0190b5a0-0000-7000-8000-000000000001".parse().unwrap(),
            role: Role::Customer.name(),
            sid: "0190b5a0-0000-7000-8000-000000000002".parse().unwrap(),
            iat: 1_767_225_600,
            exp: 4_102_444_800,
            jti: URL_SAFE_NO_PAD.encode([7; 16]),
        };
        assert_eq!(tokens.sign(&claims).unwrap(), ISSUED_BEFORE);
        assert_eq!(tokens.jwks(), KEY_SET_BEFORE);
    }

    #[test]
    fn keys_are_read_from_pem_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let public = public_key(&write("public.pem", PUBLIC_PEM)).unwrap();
        for (name, text) in [
            ("lf.pem", PRIVATE_PEM.to_owned()),
            ("crlf.pem", PRIVATE_PEM.replace('\n', "\r\n")),
            ("unterminated.pem", PRIVATE_PEM.trim_end().to_owned()),
        ] {
            assert_eq!(signing_key(&write(name, &text)).unwrap().verifying_key(), public, "{name}");
        }
        assert!(signing_key(&write("empty.pem", "")).is_err());
        assert!(signing_key(&folder.path().join("public.pem")).is_err());
        assert!(public_key(&folder.path().join("lf.pem")).is_err());
    }
}
