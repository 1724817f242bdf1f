//! Tokens, valid and invalid, and the key set that verifies them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use primitives::{SessionId, UserId};
use serde_json::{Value, json};
use sha2::Sha256;

/// The key of RFC 8037, appendix A.
const SECRET: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
pub(crate) const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
pub(crate) const KEY_ID: &str = "key-1";

pub(crate) fn jwks() -> String {
    jwks_with(KEY_ID)
}

pub(crate) fn jwks_with(key_id: &str) -> String {
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key_id, "x": PUBLIC }] })
        .to_string()
}

/// The key of the key set.
pub(crate) fn good_key() -> SigningKey {
    SigningKey::from_bytes(&URL_SAFE_NO_PAD.decode(SECRET).unwrap().try_into().unwrap())
}

/// A key that is not in the key set.
pub(crate) fn other_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(crate) fn header(key_id: &str) -> Value {
    json!({ "typ": "JWT", "alg": "EdDSA", "kid": key_id })
}

pub(crate) fn claims(role: &str) -> Value {
    json!({
        "iss": "fournines",
        "aud": "fournines-api",
        "sub": UserId::new().to_string(),
        "sid": SessionId::new().to_string(),
        "role": role,
        "iat": primitives::now().as_second(),
        "exp": primitives::now().as_second() + 900,
    })
}

/// Header and claims without a signature, up to the second dot.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

pub(crate) fn sign_with(header: &Value, claims: &Value, key: &SigningKey) -> String {
    let unsigned = unsigned(header, claims);
    let signature = key.sign(unsigned.as_bytes()).to_bytes();
    format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A token of HMAC with SHA-256, as forged with a public key for a shared secret.
pub(crate) fn sign_hs256(claims: &Value, secret: &[u8]) -> String {
    let unsigned = unsigned(&json!({ "typ": "JWT", "alg": "HS256", "kid": KEY_ID }), claims);
    let mut mac: Hmac<Sha256> = Hmac::new_from_slice(secret).unwrap();
    mac.update(unsigned.as_bytes());
    format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// A token of this key id for a customer.
pub(crate) fn customer_by(key_id: &str) -> String {
    sign_with(&header(key_id), &claims("customer"), &good_key())
}

pub(crate) fn sign(claims: &Value) -> String {
    sign_with(&header(KEY_ID), claims, &good_key())
}

pub(crate) fn customer() -> String {
    sign(&claims("customer"))
}

pub(crate) fn admin() -> String {
    sign(&claims("admin"))
}
