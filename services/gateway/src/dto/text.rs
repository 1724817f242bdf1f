//! Rules for texts, kept where they enter.

use envelope::Error;
use garde::rules::email::Email as _;

use crate::dto::limits::MAX_EMAIL;

/// A text of one line, without the white space around it; at least `min` and at most `max` characters.
pub(crate) fn line(text: &str, min: usize, max: usize) -> Result<String, String> {
    let trimmed = text.trim();
    let fits = trimmed.chars().count() >= min && text.chars().count() <= max;
    if fits && !text.chars().any(char::is_control) {
        Ok(trimmed.to_owned())
    } else {
        Err(format!("must be {min} to {max} characters without control characters"))
    }
}

/// A text with any characters of so many.
pub(super) fn text(text: String, min: usize, max: usize) -> Result<String, String> {
    if (min..=max).contains(&text.chars().count()) {
        Ok(text)
    } else {
        Err(format!("must be {min} to {max} characters"))
    }
}

/// An opaque token: so many visible ASCII characters at most.
pub(super) fn token(token: String, max: usize) -> Result<String, String> {
    if (1..=max).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(token)
    } else {
        Err(format!("must be 1 to {max} visible ASCII characters"))
    }
}

/// An email address that mail can be sent to over the Internet.
pub(super) fn email(text: String) -> Result<String, &'static str> {
    // An address literal and a bare host name are valid, but reach nobody from here.
    let has_domain = text.rsplit_once('@').is_some_and(|(_, domain)| domain.contains('.') && !domain.starts_with('['));
    if has_domain && text.len() <= MAX_EMAIL && text.validate_email().is_ok() {
        Ok(text)
    } else {
        Err("must be an email address")
    }
}

/// A `VALIDATION_FAILED` for a change without any change.
pub(super) fn nothing_to_change() -> Error {
    Error::invalid("body", "must change at least one field")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_no_control_characters_and_are_not_blank() {
        assert_eq!(line(" Ada ", 2, 100).as_deref(), Ok("Ada"));
        for bad in ["a", " a ", "   ", "Ada\r\nX-Admin: 1", "Ada\0", &"x".repeat(101)] {
            assert!(line(bad, 2, 100).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_real_addresses_are_emails() {
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
