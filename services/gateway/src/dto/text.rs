//! Validation of texts.

use envelope::Error;
use garde::rules::email::Email as _;

use crate::bounds::MAX_EMAIL;

/// A single line of `min` to `max` characters, returned without surrounding white space.
pub(crate) fn line(text: &str, min: usize, max: usize) -> Result<String, String> {
    let trimmed = text.trim();
    let fits = trimmed.chars().count() >= min && text.chars().count() <= max;
    if fits && !text.chars().any(char::is_control) {
        Ok(trimmed.to_owned())
    } else {
        Err(format!("must be {min} to {max} characters without control characters"))
    }
}

/// A text of `min` to `max` characters of any kind.
pub(super) fn text(text: String, min: usize, max: usize) -> Result<String, String> {
    if (min..=max).contains(&text.chars().count()) {
        Ok(text)
    } else {
        Err(format!("must be {min} to {max} characters"))
    }
}

/// An opaque token of 1 to `max` visible ASCII characters.
pub(super) fn token(token: String, max: usize) -> Result<String, String> {
    if (1..=max).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(token)
    } else {
        Err(format!("must be 1 to {max} visible ASCII characters"))
    }
}

/// An email address that is reachable over the Internet.
pub(super) fn email(text: String) -> Result<String, &'static str> {
    // Address literals and bare host names are valid but not reachable.
    let has_domain = text.rsplit_once('@').is_some_and(|(_, domain)| domain.contains('.') && !domain.starts_with('['));
    if has_domain && text.len() <= MAX_EMAIL && text.validate_email().is_ok() {
        Ok(text)
    } else {
        Err("must be an email address")
    }
}

/// `VALIDATION_FAILED` for an update without fields.
pub(super) fn nothing_to_change() -> Error {
    Error::invalid("body", "must change at least one field")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_not_blank_and_has_no_control_characters() {
        assert_eq!(line(" Ada ", 2, 100).as_deref(), Ok("Ada"));
        for bad in ["a", " a ", "   ", "Ada\r\nX-Admin: 1", "Ada\0", &"x".repeat(101)] {
            assert!(line(bad, 2, 100).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_reachable_addresses_are_emails() {
        assert!(email("ada@example.com".into()).is_ok());
        for bad in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@host",
            "a da@example.com",
            "ada@[127.0.0.1]",
            "ada@example.com\n",
            "ada@example..com",
            "a@b@example.com",
        ] {
            assert!(email(bad.into()).is_err(), "{bad:?}");
        }
    }
}
