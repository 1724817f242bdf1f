//! Access tokens (RFC 7519, RFC 8037): EdDSA and nothing else, for just this audience.

use actix_web::http::header::{self, HeaderMap};
use envelope::{Error, Reason};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use primitives::{SessionId, UserId};
use serde::Deserialize;
use service::{Caller, Role};

const ISSUER: &str = "fournines";
const AUDIENCE: &str = "fournines-api";
/// How far the clocks of two machines may be apart, in seconds.
const LEEWAY_SECONDS: u32 = 2;

#[derive(Deserialize)]
struct Claims {
    sub: String,
    role: String,
    sid: String,
    exp: i64,
}

/// What a token was found to say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verified {
    pub(super) caller: Caller,
    /// The second since the Unix epoch after which it is not taken any more.
    expires_at: i64,
}

impl Verified {
    pub(super) fn has_expired(&self) -> bool {
        primitives::now().as_second() > self.expires_at
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

/// The id of the key that a token says it is signed with. The algorithm is looked at first, so that no key of one
/// algorithm is ever used for another.
pub(super) fn key_id(token: &str) -> Result<String, Error> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| refused())?;
    header.kid.filter(|_| header.alg == Algorithm::EdDSA).ok_or_else(refused)
}

/// Checks a token from its signature to its claims.
pub(super) fn verify(token: &str, key: &DecodingKey) -> Result<Verified, Error> {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY_SECONDS.into();
    let claims = match jsonwebtoken::decode::<Claims>(token, key, &validation) {
        Ok(token) => token.claims,
        Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => {
            return Err(Error::new(Reason::TokenExpired, "the access token has expired"));
        }
        Err(_) => return Err(refused()),
    };
    let caller = Caller {
        user_id: claims.sub.parse::<UserId>().map_err(|_| refused())?,
        role: Role::from_name(&claims.role).ok_or_else(refused)?,
        session_id: claims.sid.parse::<SessionId>().map_err(|_| refused())?,
    };
    Ok(Verified { caller, expires_at: claims.exp.saturating_add(LEEWAY_SECONDS.into()) })
}

/// Says no more than that: why a forged token was not taken is nobody's business.
pub(super) fn refused() -> Error {
    Error::new(Reason::Unauthenticated, "the access token is not valid")
}
