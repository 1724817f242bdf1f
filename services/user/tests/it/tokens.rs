//! Access tokens and the key set, from the point of view of a verifier.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use proto::user::v1::GetJwksRequest;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::{PASSWORD, Service, answer, anyone, private_key_pem};

/// The DER of an Ed25519 public key up to its 32 bytes (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

async fn jwks(service: &Service) -> Value {
    let answered = answer(service.sessions.clone().get_jwks(anyone(GetJwksRequest {})).await).unwrap();
    serde_json::from_str(&answered.jwks).unwrap()
}

/// The claims of a token, which must verify with the key set.
pub(crate) async fn claims(service: &Service, token: &str) -> Value {
    let claims = verify(&jwks(service).await, token).expect("the signature is valid");
    assert_eq!((&claims["iss"], &claims["aud"]), (&"fournines".into(), &"fournines-api".into()));
    assert!(claims["exp"].as_i64().unwrap() > primitives::now().as_second());
    claims
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The claims of a token, if its signature verifies with the key that it names.
fn verify(jwks: &Value, token: &str) -> Option<Value> {
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let parsed: Value = serde_json::from_slice(&decode(header)).unwrap();
    assert_eq!((&parsed["alg"], &parsed["typ"]), (&"EdDSA".into(), &"JWT".into()));
    let mut keys = jwks["keys"].as_array().unwrap().iter();
    let key = keys.find(|key| key["kid"] == parsed["kid"]).expect("the key set has the key");
    let key = VerifyingKey::from_bytes(&decode(key["x"].as_str().unwrap()).try_into().unwrap()).unwrap();
    let signature = Signature::from_slice(&decode(signature)).unwrap();
    key.verify_strict(format!("{header}.{payload}").as_bytes(), &signature).ok()?;
    Some(serde_json::from_slice(&decode(payload)).unwrap())
}

#[tokio::test]
async fn an_access_token_verifies_with_the_key_set() {
    let service = Service::start("verify").await;
    let user = service.register("Ada", "ada@example.com").await.unwrap();
    let tokens = service.log_in("ada@example.com", PASSWORD).await.unwrap();
    assert_eq!(tokens.expires_in, 900);
    let claims = claims(&service, &tokens.access_token).await;
    assert_eq!(claims["sub"], user.id.as_str());
    assert_eq!(claims["role"], "customer");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    assert!((primitives::now().as_second() - claims["iat"].as_i64().unwrap()).abs() <= 5);
    for claim in ["sid", "jti"] {
        assert!(claims[claim].is_string(), "{claim}");
    }
}

#[tokio::test]
async fn a_changed_token_does_not_verify() {
    let service = Service::start("forged").await;
    service.register("Ada", "ada@example.com").await.unwrap();
    let token = service.log_in("ada@example.com", PASSWORD).await.unwrap().access_token;
    let keys = jwks(&service).await;
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let claims = String::from_utf8(decode(payload)).unwrap();
    let forged = URL_SAFE_NO_PAD.encode(claims.replace("customer", "admin"));
    assert_ne!(forged, payload);
    assert!(verify(&keys, &format!("{header}.{forged}.{signature}")).is_none());
}

#[tokio::test]
async fn the_key_set_holds_public_parts_only_and_names_keys_by_thumbprint() {
    let service = Service::start("jwks").await;
    let json = jwks(&service).await;
    let key = json["keys"][0].as_object().unwrap();
    let mut members: Vec<_> = key.keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    assert_eq!((&key["kty"], &key["crv"], &key["alg"], &key["use"]).0, "OKP");
    assert_eq!([&key["crv"], &key["alg"], &key["use"]], ["Ed25519", "EdDSA", "sig"]);
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":{}}}"#, key["x"]);
    assert_eq!(key["kid"], URL_SAFE_NO_PAD.encode(Sha256::digest(members)));
}

#[tokio::test]
async fn after_a_rotation_tokens_of_the_old_key_still_verify() {
    let files = tempfile::tempdir().unwrap();
    let before = Service::start("rotation").await;
    before.register("Ada", "ada@example.com").await.unwrap();
    let token = before.log_in("ada@example.com", PASSWORD).await.unwrap().access_token;
    let public = decode(jwks(&before).await["keys"][0]["x"].as_str().unwrap());
    let old_key = files.path().join("old.pem");
    let der = STANDARD.encode([SPKI_PREFIX.as_slice(), &public].concat());
    std::fs::write(&old_key, format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n")).unwrap();
    let new_key = files.path().join("new.pem");
    std::fs::write(&new_key, private_key_pem(rand::random())).unwrap();

    let sections = format!(
        "[tokens]\nsigning_key_file = '{}'\nprevious_public_key_files = ['{}']\n",
        new_key.display(),
        old_key.display()
    );
    let after = Service::start_with("rotated", &sections).await;
    assert_eq!(jwks(&after).await["keys"].as_array().unwrap().len(), 2);
    assert_eq!(claims(&after, &token).await, claims(&before, &token).await);
    assert_ne!(jwks(&after).await["keys"][0], jwks(&before).await["keys"][0]);
}
