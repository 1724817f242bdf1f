//! Keys of known value, and tokens good and bad.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use primitives::{SessionId, UserId};
use serde_json::{Value, json};

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

fn key(seed: &[u8]) -> EncodingKey {
    // PKCS #8 (RFC 8410) around the seed.
    let mut der = vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    der.extend_from_slice(seed);
    EncodingKey::from_ed_der(&der)
}

pub(crate) fn good_key() -> EncodingKey {
    key(&URL_SAFE_NO_PAD.decode(SECRET).unwrap())
}

pub(crate) fn other_key() -> EncodingKey {
    key(&[7; 32])
}

pub(crate) fn header(algorithm: Algorithm, key_id: &str) -> Header {
    Header { kid: Some(key_id.to_owned()), ..Header::new(algorithm) }
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

pub(crate) fn sign(claims: &Value) -> String {
    jsonwebtoken::encode(&header(Algorithm::EdDSA, KEY_ID), claims, &good_key()).unwrap()
}

pub(crate) fn customer() -> String {
    sign(&claims("customer"))
}

pub(crate) fn admin() -> String {
    sign(&claims("admin"))
}
