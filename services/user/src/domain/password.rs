//! Passwords and their hashes. Neither prints its content.

use primitives::ParseError;
use secrecy::{ExposeSecret as _, SecretString};

const MIN_CHARS: usize = 8;
const MAX_CHARS: usize = 128;

/// A new password: 8 to 128 characters of any kind.
pub(crate) struct Password(SecretString);

impl Password {
    pub(crate) fn parse(text: SecretString) -> Result<Self, ParseError> {
        let length = text.expose_secret().chars().count();
        if (MIN_CHARS..=MAX_CHARS).contains(&length) {
            Ok(Self(text))
        } else {
            Err(ParseError("must be 8 to 128 characters"))
        }
    }

    pub(crate) fn into_secret(self) -> SecretString {
        self.0
    }
}

/// A hash in the PHC string format, which carries its own salt and parameters.
#[derive(Clone)]
pub(crate) struct PasswordHash(SecretString);

impl PasswordHash {
    pub(crate) fn new(phc: String) -> Self {
        Self(phc.into())
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters() {
        for (text, fits) in
            [("1234567".into(), false), ("äöüßäöüß".into(), true), ("x".repeat(128), true), ("x".repeat(129), false)]
        {
            assert_eq!(Password::parse(text.clone().into()).is_ok(), fits, "{text}");
        }
    }
}
