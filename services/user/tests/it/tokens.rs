//! Access tokens and the key set, seen by somebody who verifies them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{JwkSet, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use proto::user::v1::GetJwksRequest;
use serde_json::Value;

use crate::support::{PASSWORD, Service, answer, anyone, private_key_pem};

/// The DER of an Ed25519 public key up to its 32 bytes (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

async fn jwks(service: &Service) -> Value {
    let answered = answer(service.sessions.clone().get_jwks(anyone(GetJwksRequest {})).await).unwrap();
    serde_json::from_str(&answered.jwks).unwrap()
}

/// The claims of a token, which must verify with the key set.
pub(crate) async fn claims(service: &Service, token: &str) -> Value {
    let keys: JwkSet = serde_json::from_value(jwks(service).await).unwrap();
    verify(&keys, token).unwrap()
}

fn verify(keys: &JwkSet, token: &str) -> jsonwebtoken::errors::Result<Value> {
    let header = jsonwebtoken::decode_header(token)?;
    let key = keys.find(header.kid.as_deref().unwrap()).expect("the key set has the key");
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&["fournines"]);
    validation.set_audience(&["fournines-api"]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    Ok(jsonwebtoken::decode(token, &DecodingKey::from_jwk(key)?, &validation)?.claims)
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
    let keys: JwkSet = serde_json::from_value(jwks(&service).await).unwrap();
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let forged = URL_SAFE_NO_PAD.encode(claims.replace("customer", "admin"));
    assert_ne!(forged, payload);
    assert!(verify(&keys, &format!("{header}.{forged}.{signature}")).is_err());
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
    let keys: JwkSet = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(key["kid"], keys.keys[0].thumbprint(ThumbprintHash::SHA256).unwrap().as_str());
}

#[tokio::test]
async fn after_a_rotation_tokens_of_the_old_key_still_verify() {
    let files = tempfile::tempdir().unwrap();
    let before = Service::start("rotation").await;
    before.register("Ada", "ada@example.com").await.unwrap();
    let token = before.log_in("ada@example.com", PASSWORD).await.unwrap().access_token;
    let public = URL_SAFE_NO_PAD.decode(jwks(&before).await["keys"][0]["x"].as_str().unwrap()).unwrap();
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
