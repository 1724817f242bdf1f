//! The display name of a user.

use primitives::ParseError;

const MIN_CHARS: usize = 2;
const MAX_CHARS: usize = 100;

/// 2 to 100 characters, without control characters and without surrounding white space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DisplayName(String);

impl DisplayName {
    /// Trims the text, then checks it.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        let length = text.chars().count();
        if (MIN_CHARS..=MAX_CHARS).contains(&length) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError("must be 2 to 100 characters without control characters"))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_after_trimming() {
        assert_eq!(DisplayName::parse("  李雷 ").unwrap().as_str(), "李雷");
        assert!(DisplayName::parse(&"ä".repeat(100)).is_ok());
        for text in ["", " a ", "a\nb", "a\u{0}b", &"ä".repeat(101)] {
            assert!(DisplayName::parse(text).is_err(), "{text:?}");
        }
    }
}
