//! JSON Web Signatures (RFC 7515) in compact form, signed with Ed25519 (RFC 8037). A token can't choose another
//! algorithm: there is none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::strict::{self, Object};

const ALGORITHM: &str = "EdDSA";

/// A token is malformed, or its signature is invalid.
#[derive(Debug, thiserror::Error)]
#[error("the token is not valid")]
pub(super) struct Invalid;

/// A token with a valid header, whose signature has not been verified yet.
#[derive(Debug)]
pub(super) struct Unverified<'a> {
    key_id: String,
    /// Header and payload, as they were signed.
    signed: &'a str,
    payload: &'a str,
    signature: Signature,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    /// Extensions that the recipient must understand. None is supported, so any value rejects the token.
    #[serde(default, deserialize_with = "strict::present")]
    crit: Option<IgnoredAny>,
}

impl<'a> Unverified<'a> {
    /// Parses a token. The algorithm must be EdDSA, a key id must be present, and `crit` must not.
    pub(super) fn parse(token: &'a str) -> Result<Self, Invalid> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Invalid)?;
        let (header, payload) = signed.split_once('.').ok_or(Invalid)?;
        let header: Header = decode_json(header)?;
        if header.alg != ALGORITHM || header.crit.is_some() {
            return Err(Invalid);
        }
        let signature = Signature::from_slice(&decode(signature)?).map_err(|_| Invalid)?;
        Ok(Self { key_id: header.kid, signed, payload, signature })
    }

    /// The id of the key that the token claims to be signed with.
    pub(super) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Verifies the signature and returns the payload.
    pub(super) fn verify<T: DeserializeOwned>(&self, key: &VerifyingKey) -> Result<T, Invalid> {
        key.verify(self.signed.as_bytes(), &self.signature).map_err(|_| Invalid)?;
        decode_json(self.payload)
    }
}

fn decode(text: &str) -> Result<Vec<u8>, Invalid> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Invalid)
}

fn decode_json<T: DeserializeOwned>(text: &str) -> Result<T, Invalid> {
    serde_json::from_slice(&decode(text)?).map(|Object(value)| value).map_err(|_| Invalid)
}

#[cfg(test)]
pub(super) mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};
    use serde_json::{Value, json};

    use super::*;

    /// The key of RFC 8037, appendix A.
    pub(in crate::auth) fn key() -> SigningKey {
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        SigningKey::from_bytes(&seed.try_into().unwrap())
    }

    pub(in crate::auth) fn sign(header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(key().sign(signed.as_bytes()).to_bytes());
        format!("{signed}.{signature}")
    }

    fn verify(token: &str, key: &VerifyingKey) -> Result<Value, Invalid> {
        Unverified::parse(token)?.verify(key)
    }

    #[test]
    fn a_signed_token_verifies_with_its_key_only() {
        let token = sign(r#"{"typ": "JWT", "alg": "EdDSA", "kid": "a"}"#, r#"{"b": 1}"#);
        assert_eq!(Unverified::parse(&token).unwrap().key_id(), "a");
        assert_eq!(verify(&token, &key().verifying_key()).unwrap(), json!({ "b": 1 }));
        assert!(verify(&token, &SigningKey::from_bytes(&[7; 32]).verifying_key()).is_err());
    }

    #[test]
    fn the_header_must_name_eddsa_and_a_key_and_no_extension() {
        for header in [
            r#"{"alg": "none", "kid": "a"}"#,
            r#"{"alg": "None", "kid": "a"}"#,
            r#"{"alg": "HS256", "kid": "a"}"#,
            r#"{"alg": "eddsa", "kid": "a"}"#,
            r#"{"alg": "EdDSA"}"#,
            r#"{"alg": "EdDSA", "kid": null}"#,
            r#"{"alg": "EdDSA", "kid": 1}"#,
            r#"{"kid": "a"}"#,
            r#"{"alg": "none", "alg": "EdDSA", "kid": "a"}"#,
            r#"{"alg": "EdDSA", "kid": "a", "kid": "b"}"#,
            r#"{"alg": "EdDSA", "kid": "a", "crit": ["exp"]}"#,
            r#"{"alg": "EdDSA", "kid": "a", "crit": []}"#,
            r#"{"alg": "EdDSA", "kid": "a", "crit": null}"#,
            r#"["EdDSA", "a"]"#,
            "null",
            "",
        ] {
            assert!(Unverified::parse(&sign(header, "{}")).is_err(), "{header}");
        }
    }

    #[test]
    fn a_malformed_or_altered_token_does_not_verify() {
        let good = sign(r#"{"alg": "EdDSA", "kid": "a"}"#, r#"{"b": 1}"#);
        let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
        let other = URL_SAFE_NO_PAD.encode(r#"{"b": 2}"#);
        for bad in [
            String::new(),
            "..".to_owned(),
            header.to_owned(),
            format!("{header}.{payload}"),
            format!("{header}.{payload}."),
            format!("{header}.{payload}.{signature}."),
            format!("{header}.{payload}.{signature}.{signature}"),
            format!("{header}.{payload}.{signature}=="),
            format!("{header}.{payload}.{}", &signature[..signature.len() - 4]),
            format!("{header}.{payload}.{signature}AAAA"),
            format!("{header}.{other}.{signature}"),
            format!("{header}..{signature}"),
            format!(" {good}"),
            sign(r#"{"alg": "EdDSA", "kid": "a"}"#, "[1]"),
            sign(r#"{"alg": "EdDSA", "kid": "a"}"#, "{"),
        ] {
            assert!(verify(&bad, &key().verifying_key()).is_err(), "{bad}");
        }
    }
}
