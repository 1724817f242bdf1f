//! Sessions. No type here implements `Debug`: all of them hold secrets.

use envelope::Error;
use proto::ConvertError;
use proto::user::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bounds::{MAX_EMAIL, MAX_PASSWORD, MAX_REFRESH_TOKEN};
use crate::dto::text;
use crate::input::Violations;
use crate::schema;

/// An access token and a refresh token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tokens {
    access_token: String,
    refresh_token: String,
    /// The lifetime of the access token, in seconds.
    expires_in: u32,
    token_type: &'static str,
}

impl TryFrom<Option<wire::TokenPair>> for Tokens {
    type Error = ConvertError;

    fn try_from(tokens: Option<wire::TokenPair>) -> Result<Self, ConvertError> {
        let wire::TokenPair { access_token, refresh_token, expires_in } =
            tokens.ok_or(ConvertError::Missing("tokens"))?;
        Ok(Self { access_token, refresh_token, expires_in, token_type: "Bearer" })
    }
}

/// The credentials of a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    #[schema(schema_with = schema::login_email)]
    email: String,
    #[schema(schema_with = schema::login_password)]
    password: String,
}

impl Login {
    /// Checks lengths only, so that the response does not reveal whether an account could exist.
    pub(crate) fn check(self) -> Result<wire::CreateSessionRequest, Error> {
        let mut wrong = Violations::default();
        let email = wrong.take("email", text::text(self.email, 1, MAX_EMAIL));
        let password = wrong.take("password", text::text(self.password, 1, MAX_PASSWORD));
        match (email, password) {
            (Some(email), Some(password)) => Ok(wire::CreateSessionRequest { email, password }),
            _ => Err(wrong.into_error()),
        }
    }
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RefreshToken {
    #[schema(schema_with = schema::refresh_token)]
    refresh_token: String,
}

impl RefreshToken {
    pub(crate) fn check(self) -> Result<wire::RefreshSessionRequest, Error> {
        let mut wrong = Violations::default();
        match wrong.take("refreshToken", text::token(self.refresh_token, MAX_REFRESH_TOKEN)) {
            Some(refresh_token) => Ok(wire::RefreshSessionRequest { refresh_token }),
            None => Err(wrong.into_error()),
        }
    }
}
