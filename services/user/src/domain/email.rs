//! An email address: stored as entered, compared case-insensitively.

use std::fmt;

use garde::rules::email::Email as _;
use primitives::ParseError;

/// The longest path in SMTP, in bytes (RFC 5321, 4.5.3.1.3, without the angle brackets).
const MAX_BYTES: usize = 254;

/// A well-formed address. Whether it receives mail is not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Email(String);

impl Email {
    /// Accepts what the HTML standard accepts, up to 254 bytes, with dots in the local part only between other
    /// characters (RFC 5321). The domain is ASCII (IDNA) or an address literal.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        let dots_between =
            text.rsplit_once('@').is_some_and(|(local, _)| local.split('.').all(|atom| !atom.is_empty()));
        if text.len() <= MAX_BYTES && dots_between && text.validate_email().is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError("must be an email address of at most 254 bytes"))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that addresses are compared by; unique among users.
    pub(crate) fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_stored_as_entered_and_compared_case_insensitively() {
        let email = Email::parse("Ada.Lovelace+shop@Example.COM").unwrap();
        assert_eq!(email.as_str(), "Ada.Lovelace+shop@Example.COM");
        assert_eq!(email.key(), "ada.lovelace+shop@example.com");
    }

    #[test]
    fn malformed_addresses_are_refused() {
        let long = format!("a@{}com", "abcdefgh.".repeat(28));
        assert!(long.len() > MAX_BYTES);
        for text in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "a b@example.com",
            "ada@example.com\r\nBcc: x@y.z",
            ".ada@example.com",
            "ada.@example.com",
            "a..a@example.com",
            &long,
        ] {
            assert!(Email::parse(text).is_err(), "{text}");
        }
    }
}
