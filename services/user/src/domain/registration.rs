//! Registrations and profile changes as users enter them. All violations are reported together.

use primitives::ParseError;
use secrecy::SecretString;

use super::{DisplayName, Email, Password, ProfileChange};

/// A field with an invalid value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) field: &'static str,
    pub(crate) description: &'static str,
}

/// The data of a new user.
pub(crate) struct Registration {
    pub(crate) name: DisplayName,
    pub(crate) email: Email,
    pub(crate) password: Password,
}

impl Registration {
    pub(crate) fn parse(name: &str, email: &str, password: SecretString) -> Result<Self, Vec<Violation>> {
        match (DisplayName::parse(name), Email::parse(email), Password::parse(password)) {
            (Ok(name), Ok(email), Ok(password)) => Ok(Self { name, email, password }),
            (name, email, password) => {
                Err(violations([("name", name.err()), ("email", email.err()), ("password", password.err())]))
            }
        }
    }
}

/// Parses a change of a profile; a field that is not given stays as it is.
pub(crate) fn parse_change(name: Option<&str>, email: Option<&str>) -> Result<ProfileChange, Vec<Violation>> {
    match (name.map(DisplayName::parse).transpose(), email.map(Email::parse).transpose()) {
        (Ok(name), Ok(email)) => Ok(ProfileChange { name, email }),
        (name, email) => Err(violations([("name", name.err()), ("email", email.err())])),
    }
}

fn violations<const N: usize>(fields: [(&'static str, Option<ParseError>); N]) -> Vec<Violation> {
    let failed = fields.into_iter().filter_map(|(field, error)| Some((field, error?)));
    failed.map(|(field, ParseError(description))| Violation { field, description }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invalid_field_is_named() {
        let fields = |name: &str, email: &str, password: &str| {
            let parsed = Registration::parse(name, email, password.into());
            parsed.err().unwrap_or_default().into_iter().map(|violation| violation.field).collect::<Vec<_>>()
        };
        assert_eq!(fields("", "", ""), ["name", "email", "password"]);
        assert_eq!(fields("Ada", "ada", "long enough"), ["email"]);
        assert!(fields("Ada", "ada@example.com", "long enough").is_empty());
        assert_eq!(parse_change(Some(""), Some("")).unwrap_err().len(), 2);
        assert!(parse_change(None, None).is_ok());
    }
}
