//! Users.

use envelope::Error;
use proto::ConvertError;
use proto::user::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bounds::{MAX_PASSWORD, MAX_USER_NAME, MIN_PASSWORD, MIN_USER_NAME};
use crate::dto::text;
use crate::dto::time::Time;
use crate::entity_tag::Versioned;
use crate::input::Violations;
use crate::schema;
use crate::strict;

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    #[schema(schema_with = schema::uuid)]
    id: String,
    name: String,
    email: String,
    role: Role,
    version: u64,
    #[schema(schema_with = schema::time)]
    created_at: Time,
}

/// The role of a user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Role {
    Customer,
    Admin,
}

impl Versioned for User {
    fn version(&self) -> u64 {
        self.version
    }
}

impl TryFrom<Option<wire::User>> for User {
    type Error = ConvertError;

    fn try_from(user: Option<wire::User>) -> Result<Self, ConvertError> {
        user.ok_or(ConvertError::Missing("user"))?.try_into()
    }
}

impl TryFrom<wire::User> for User {
    type Error = ConvertError;

    fn try_from(user: wire::User) -> Result<Self, ConvertError> {
        let role = match user.role() {
            wire::Role::Customer => Role::Customer,
            wire::Role::Admin => Role::Admin,
            wire::Role::Unspecified => return Err(ConvertError::Missing("role")),
        };
        let created_at = Time::of("created_at", user.created_at)?;
        Ok(Self { id: user.id, name: user.name, email: user.email, role, version: user.version, created_at })
    }
}

/// A customer to register.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterUser {
    #[schema(schema_with = schema::user_name)]
    name: String,
    #[schema(schema_with = schema::email)]
    email: String,
    #[schema(schema_with = schema::password)]
    password: String,
}

impl RegisterUser {
    pub(crate) fn check(self) -> Result<wire::RegisterUserRequest, Error> {
        let mut wrong = Violations::default();
        let name = wrong.take("name", name(&self.name));
        let email = wrong.take("email", text::email(self.email));
        let password = wrong.take("password", text::text(self.password, MIN_PASSWORD, MAX_PASSWORD));
        match (name, email, password) {
            (Some(name), Some(email), Some(password)) => Ok(wire::RegisterUserRequest { name, email, password }),
            _ => Err(wrong.into_error()),
        }
    }
}

/// The fields of the profile to change, at least one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub(crate) struct ChangeUser {
    #[serde(default, deserialize_with = "strict::present")]
    #[schema(schema_with = schema::user_name, required = false)]
    name: Option<String>,
    #[serde(default, deserialize_with = "strict::present")]
    #[schema(schema_with = schema::email, required = false)]
    email: Option<String>,
}

impl ChangeUser {
    pub(crate) fn check(self, expected_version: u64) -> Result<wire::UpdateUserRequest, Error> {
        if self.name.is_none() && self.email.is_none() {
            return Err(text::nothing_to_change());
        }
        let mut wrong = Violations::default();
        let name = self.name.and_then(|text| wrong.take("name", name(&text)));
        let email = self.email.and_then(|email| wrong.take("email", text::email(email)));
        wrong.finish()?;
        Ok(wire::UpdateUserRequest { expected_version, name, email })
    }
}

fn name(text: &str) -> Result<String, String> {
    text::line(text, MIN_USER_NAME, MAX_USER_NAME)
}
