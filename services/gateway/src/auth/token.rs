//! Access tokens (RFC 7519): the claims of our issuer for our audience.

use actix_web::http::header::{self, HeaderMap};
use ed25519_dalek::VerifyingKey;
use envelope::{Error, Reason};
use primitives::{SessionId, UserId};
use serde::Deserialize;
use service::{Caller, Role};

use crate::auth::jws::Unverified;
use crate::strict;

const ISSUER: &str = "fournines";
const AUDIENCE: &str = "fournines-api";
/// The accepted clock skew between two machines, in seconds.
const LEEWAY_SECONDS: u32 = 2;

#[derive(Deserialize)]
struct Claims {
    iss: OneOrMany,
    aud: OneOrMany,
    sub: String,
    role: String,
    sid: String,
    exp: i64,
    #[serde(default, deserialize_with = "strict::present")]
    nbf: Option<f64>,
}

/// A claim that is a string or an array of strings.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn contains(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Many(many) => many.iter().any(|one| one == name),
        }
    }
}

/// A verified token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verified {
    pub(super) caller: Caller,
    /// The last second since the Unix epoch at which the token is accepted.
    expires_at: i64,
}

impl Verified {
    pub(super) fn has_expired(&self) -> bool {
        now() > self.expires_at
    }
}

impl Claims {
    /// Checks the claims at this time, in seconds since the Unix epoch.
    fn check(&self, now: i64) -> Result<Verified, Error> {
        let leeway = i64::from(LEEWAY_SECONDS);
        let expires_at = self.exp.saturating_add(leeway);
        if self.exp < 0 {
            return Err(refused());
        }
        if now > expires_at {
            return Err(Error::new(Reason::TokenExpired, "the access token has expired"));
        }
        let is_active = self.nbf.is_none_or(|nbf| nbf >= 0.0 && nbf.round() <= now.saturating_add(leeway) as f64);
        if !is_active || !self.iss.contains(ISSUER) || !self.aud.contains(AUDIENCE) {
            return Err(refused());
        }
        let caller = Caller {
            user_id: self.sub.parse::<UserId>().map_err(|_| refused())?,
            role: Role::from_name(&self.role).ok_or_else(refused)?,
            session_id: self.sid.parse::<SessionId>().map_err(|_| refused())?,
        };
        Ok(Verified { caller, expires_at })
    }
}

/// The token in `Authorization: Bearer …`, or `UNAUTHENTICATED`.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Result<&str, Error> {
    let missing = || Error::new(Reason::Unauthenticated, "this call needs an access token");
    let mut values = headers.get_all(header::AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else { return Err(missing()) };
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(missing()) }
}

/// Parses a token, before the key is known.
pub(super) fn parse(token: &str) -> Result<Unverified<'_>, Error> {
    Unverified::parse(token).map_err(|_| refused())
}

/// Verifies the signature of a token, then checks its claims.
pub(super) fn verify(token: &Unverified<'_>, key: &VerifyingKey) -> Result<Verified, Error> {
    token.verify::<Claims>(key).map_err(|_| refused())?.check(now())
}

/// `UNAUTHENTICATED`, without a cause: it would help forgers only.
pub(super) fn refused() -> Error {
    Error::new(Reason::Unauthenticated, "the access token is not valid")
}

fn now() -> i64 {
    primitives::now().as_second()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::auth::jws::tests::{key, sign};

    /// Issued with `jsonwebtoken` 11 and the key of RFC 8037, appendix A; expires in the year 2100.
    const ISSUED_BEFORE: &str = concat!(
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSIsImtpZCI6ImtQcktfcW14VldhWVZBOXd3QkY2SXVvM3ZWeno3VHhIQ1R3WEJ5Z3JTNGsifQ.",
        "eyJpc3MiOiJmb3VybmluZXMiLCJhdWQiOiJmb3VybmluZXMtYXBpIiwic3ViIjoiMDE5MGI1YTAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAw",
        "MDAxIiwicm9sZSI6ImN1c3RvbWVyIiwic2lkIjoiMDE5MGI1YTAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAyIiwiaWF0IjoxNzY3MjI1",
        "NjAwLCJleHAiOjQxMDI0NDQ4MDAsImp0aSI6IkJ3Y0hCd2NIQndjSEJ3Y0hCd2NIQncifQ.gA2rVr7zj3q27NHKdtdcXJDo0JkIqe8oTQE58",
        "3cXxXDixFahR1Tv9flXqurr7qoBqfBA5VB-ni_IJM9MbfWrAA",
    );
    const NOW: i64 = 1_800_000_000;

    fn claims() -> Value {
        json!({
            "iss": "fournines", "aud": "fournines-api", "role": "customer", "exp": NOW, "iat": NOW - 900,
            "sub": "0190b5a0-0000-7000-8000-000000000001", "sid": "0190b5a0-0000-7000-8000-000000000002",
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    /// The reason for which the claims are rejected at `NOW`, if they are.
    fn rejection(claims: &Value, now: i64) -> Option<Reason> {
        let token = sign(r#"{"alg": "EdDSA", "kid": "a"}"#, &claims.to_string());
        let verified = parse(&token).unwrap().verify::<Claims>(&key().verifying_key());
        let checked = verified.map_err(|_| refused()).and_then(|claims| claims.check(now));
        checked.err().map(|error| error.reason())
    }

    #[test]
    fn a_token_of_the_previous_implementation_verifies() {
        let token = parse(ISSUED_BEFORE).unwrap();
        assert_eq!(token.key_id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let caller = verify(&token, &key().verifying_key()).unwrap().caller;
        assert_eq!(caller.user_id.to_string(), "0190b5a0-0000-7000-8000-000000000001");
        assert_eq!(caller.session_id.to_string(), "0190b5a0-0000-7000-8000-000000000002");
        assert!(!caller.is_admin());
    }

    #[test]
    fn a_token_is_accepted_between_nbf_and_exp_with_leeway() {
        assert_eq!(rejection(&claims(), NOW + 2), None);
        assert_eq!(rejection(&claims(), NOW + 3), Some(Reason::TokenExpired));
        for nbf in [json!(0), json!(NOW + 2), json!(NOW - 1), json!(1.5e9)] {
            assert_eq!(rejection(&with("nbf", nbf.clone()), NOW), None, "{nbf}");
        }
        for nbf in [json!(NOW + 3), json!(-1), json!(null), json!("now"), json!(1e300)] {
            assert_eq!(rejection(&with("nbf", nbf.clone()), NOW), Some(Reason::Unauthenticated), "{nbf}");
        }
        for exp in [json!(-1), json!("tomorrow"), json!(null), json!(1.5e9), json!(1e300), json!(u64::MAX)] {
            assert_eq!(rejection(&with("exp", exp.clone()), NOW), Some(Reason::Unauthenticated), "{exp}");
        }
        assert_eq!(rejection(&with("exp", json!(i64::MAX)), NOW), None);
        assert_eq!(rejection(&with("exp", json!(0)), NOW), Some(Reason::TokenExpired));
    }

    #[test]
    fn issuer_and_audience_must_include_ours() {
        for (name, good, bad) in [("iss", ISSUER, "somebody"), ("aud", AUDIENCE, "another-api")] {
            for value in [json!(good), json!([bad, good])] {
                assert_eq!(rejection(&with(name, value.clone()), NOW), None, "{value}");
            }
            for value in [json!(bad), json!([bad]), json!([]), json!(null), json!(1), json!([good, 1])] {
                assert_eq!(rejection(&with(name, value.clone()), NOW), Some(Reason::Unauthenticated), "{value}");
            }
        }
    }

    #[test]
    fn every_claim_is_required_and_must_be_valid() {
        for name in ["iss", "aud", "sub", "role", "sid", "exp"] {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(name);
            assert_eq!(rejection(&claims, NOW), Some(Reason::Unauthenticated), "{name}");
        }
        for (name, value) in [("role", json!("root")), ("sub", json!("me")), ("sid", json!("")), ("sub", json!(null))] {
            assert_eq!(rejection(&with(name, value), NOW), Some(Reason::Unauthenticated), "{name}");
        }
    }
}
